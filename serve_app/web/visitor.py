"""Who looks at a page: someone with a session, someone whom a proxy has signed in, or anybody."""

import base64
import hmac
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from serve_app.api.credentials import credentials_of, is_of_own_site
from serve_app.domain.account import Session
from serve_app.domain.accounts import Credentials
from serve_app.domain.errors import ServiceError
from serve_app.settings import AccountsSettings

SESSION = "rayrank_session"  # the cookie's name
SECURE_SESSION = f"__Host-{SESSION}"  # over TLS: a browser takes it of this very host alone
LONGEST_SESSION = 200  # characters of a cookie that is looked at
TOKEN = "csrf"  # the form's field


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who sends a request to a page. session: the secret of the cookie. email: as a trusted proxy writes it."""

    address: str
    session: str | None = field(default=None, repr=False)
    email: str | None = None

    @property
    def is_signed_in(self) -> bool:
        """Whether the request names an account; whether that is still good is seen when it is used."""
        return self.session is not None or self.email is not None

    @property
    def token(self) -> str:
        """What a form must bear to act for this session: only our own pages know it. Empty where there is none."""
        if self.session is None:
            return ""
        mac = hmac.digest(self.session.encode(), b"a form of rayrank", "sha256")
        return base64.urlsafe_b64encode(mac).decode().rstrip("=")

    def credentials(self, *, demo: bool = False) -> Credentials:
        """What the accounts are told. demo: whether one without an account asks for the free demonstration."""
        return Credentials(self.address, email=self.email, session=self.session, demo=demo and not self.is_signed_in)

    def require_token(self, given: str) -> None:
        """Raise ServiceError forbidden where a form does not bear this session's token."""
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            raise ServiceError("forbidden", "this form is not of your session; load the page again and send it anew")


def visitor_of(request: Request, address: str, accounts: AccountsSettings | None) -> Visitor:
    """Who sends a request."""
    if accounts is None:
        return Visitor(address)
    session = request.cookies.get(_cookie(request), "")[:LONGEST_SESSION] or None
    if session is None and accounts.identity_header:
        return Visitor(address, email=credentials_of(request, address, accounts.identity_header).email)
    return Visitor(address, session)


def require_own_site(request: Request) -> None:
    """Raise ServiceError forbidden where another web site has a browser send this form."""
    if not is_of_own_site(request):
        raise ServiceError("forbidden", "this form was sent by another web site; open the page here and send it anew")


def scheme(request: Request) -> str:
    """The scheme of the address that a browser shows: that of the proxy in front, where it says so."""
    told = request.headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip().lower()
    return told if told in {"http", "https"} else request.url.scheme


def origin(request: Request) -> str:
    """Where this service is, as the client reached it: `https://rank.example.org`."""
    return f"{scheme(request)}://{request.headers.get('Host', request.url.netloc)}"


def remember(response: Response, request: Request, session: Session, now: float) -> None:
    """Have the browser keep a session."""
    response.set_cookie(
        _cookie(request),
        session.secret,
        max_age=max(0, int(session.expires - now)),
        httponly=True,
        samesite="lax",  # a link from elsewhere finds its reader signed in; a form from elsewhere does not
        secure=scheme(request) == "https",
    )


def forget(response: Response, request: Request) -> None:
    """Have the browser drop its session."""
    secure = scheme(request) == "https"
    response.delete_cookie(_cookie(request), httponly=True, samesite="lax", secure=secure)


def _cookie(request: Request) -> str:
    return SECURE_SESSION if scheme(request) == "https" else SESSION
