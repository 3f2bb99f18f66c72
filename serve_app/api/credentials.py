"""Who a request says that it comes from: a key, a person whom a proxy has signed in, or an address alone.

Nothing that is refused here is shown: it may be a key, or most of one.
"""

from starlette.datastructures import Headers
from starlette.requests import Request

from serve_app.domain.accounts import Credentials
from serve_app.domain.errors import ServiceError

AUTHORIZATION, SCHEME = "Authorization", "bearer"
KEY_HEADERS = ("X-Api-Key", "api-key")  # the latter is Azure's
DEMO_HEADER = "X-Demo"
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
OWN_SITES = {"same-origin", "none"}  # none: typed into the browser's address line


def credentials_of(request: Request, address: str, identity_header: str | None) -> Credentials:
    """What a request says of who sends it.

    identity_header: in which a trusted proxy writes an email; it counts where no key is sent.
    Raises ServiceError: invalid_api_key, forbidden.
    """
    key = _key(request.headers)
    email = _email(request, identity_header) if key is None and identity_header else None
    demo = request.headers.get(DEMO_HEADER, "").strip().lower() in {"true", "1"}
    if demo and key is None and email is None:
        _require_own_site(
            request, "another web site may not use the demonstration here; send a key (Sec-Fetch-Site, Origin)"
        )
    return Credentials(address, key, email, demo)


def _key(headers: Headers) -> str | None:
    """The one key that a request bears; None for none."""
    found = {_borne(value): AUTHORIZATION for value in headers.getlist(AUTHORIZATION)}
    for name in KEY_HEADERS:
        for value in headers.getlist(name):
            found.setdefault(value.strip(), name)
    found.pop("", None)
    if len(found) > 1:
        first, second, *_ = found.values()
        message = f"{first} and {second} have different keys; send one" if first != second else f"{first} has two keys"
        raise ServiceError("invalid_api_key", message)
    return next(iter(found), None)


def _borne(value: str) -> str:
    """The key of an Authorization header; some clients (LlamaIndex's for TEI) send it without a scheme."""
    first, _, rest = value.strip().partition(" ")
    if first.lower() == SCHEME:
        return rest.strip()
    if rest:
        raise ServiceError("invalid_api_key", f'{AUTHORIZATION} must be "Bearer <key>"; it has another scheme')
    return first


def _email(request: Request, header: str) -> str | None:
    """Who has signed in. Raises ServiceError forbidden where another web site has their browser send this."""
    written = request.headers.getlist(header)
    email = written[-1].strip() if written else ""
    if not email:
        return None
    if request.method not in SAFE_METHODS:
        _require_own_site(
            request, "another web site may not ask this for who has signed in here; send a key (Sec-Fetch-Site, Origin)"
        )
    return email


def is_of_own_site(request: Request) -> bool:
    """Whether no other web site has a browser send this.

    Browsers tell Sec-Fetch-Site over TLS alone, but Origin with all that a page of another site sends and that may be
    more than a look; what tells neither is no browser.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        return site.strip().lower() in OWN_SITES
    host = request.headers.get("Host", "").lower()
    return origin is None or (host != "" and origin.strip().lower() in {f"http://{host}", f"https://{host}"})


def _require_own_site(request: Request, message: str) -> None:
    """Raise ServiceError forbidden where another web site has a browser send this."""
    if not is_of_own_site(request):
        raise ServiceError("forbidden", message)
