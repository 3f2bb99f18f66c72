"""How every page is made: templates, files beside them, and the headers that keep a page safe."""

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib import resources
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import Response

from serve_app import __version__
from serve_app.api.error_form import retry_after
from serve_app.api.errors import STATUS
from serve_app.domain.errors import ServiceError
from serve_app.web import formats, quality
from serve_app.web.catalogue import DOCUMENT_TOKENS
from serve_app.web.languages import languages
from serve_app.web.offer import Offer
from serve_app.web.pasted import FORMS
from serve_app.web.visitor import Visitor

# No text of a page is ever code: what is not in our own files does not run, and no other site frames a page.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
SAFE = {
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
HTML = "text/html; charset=utf-8"
FOR_EVER = "public, max-age=31536000, immutable"
TITLES = {
    400: "That does not work like this",
    401: "Please sign in",
    402: "The credit is spent",
    403: "Not allowed",
    404: "There is nothing here",
    408: "That took too long",
    409: "There is one already",
    413: "Too large",
    429: "Too much at once",
    500: "Something broke",
    503: "Not available at the moment",
}


@dataclass(frozen=True, slots=True)
class File:
    """A file beside the templates. tag: of its content, which is in its address, so that a browser may keep it."""

    content: bytes
    media_type: str
    tag: str


@cache
def _files() -> Mapping[str, File]:
    found = {}
    for each in resources.files("serve_app.web").joinpath("static").iterdir():
        content = each.read_bytes()
        media_type = mimetypes.guess_type(each.name)[0] or "application/octet-stream"
        found[each.name] = File(content, media_type, blake2b(content, digest_size=6).hexdigest())
    return found


def _address(name: str) -> str:
    """Of a file beside the templates."""
    return f"/static/{name}?v={_files()[name].tag}"


@cache
def _templates() -> Environment:
    """All of them, compiled: that takes some 0.2 s, for which no request shall wait."""
    found = Environment(
        loader=PackageLoader("serve_app.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(
        {
            name: getattr(formats, name)
            for name in (
                *("dollars", "dollars_of", "round_dollars", "money", "large", "duration", "plural"),
                *("day", "month", "moment", "percent", "percent_changed"),
            )
        }
    )
    found.filters.update({"sentence": _sentence, "languages": languages, "path": quote, "ranked": quality.ranked})
    found.globals.update(version=__version__, file=_address, document_tokens=DOCUMENT_TOKENS, forms=FORMS)
    for name in found.list_templates():
        found.get_template(name)
    return found


def _sentence(message: str) -> str:
    """An error's message as a page has it."""
    return f"{message[:1].upper()}{message[1:]}{'' if message.endswith('.') else '.'}"


class Look:
    """The templates, filled for the visitors of one service."""

    def __init__(self, offer: Offer) -> None:
        self._offer, self._templates = offer, _templates()

    def page(
        self, template: str, visitor: Visitor, *, status: int = 200, private: bool = False, **shown: Any
    ) -> Response:
        """A whole page. private: whether nobody may keep it, the browser included."""
        body = self.part(template, visitor, **shown)
        cache = "no-store" if private else "private, no-cache"  # a page of someone with a session has its token
        return Response(body, status, {**SAFE, "Cache-Control": cache, "Vary": "Cookie, Accept"}, media_type=HTML)

    def part(self, template: str, visitor: Visitor, **shown: Any) -> str:
        """A part of a page, as HTML."""
        offer = self._offer
        known = {"visitor": visitor, "offer": offer, "with_accounts": offer.with_accounts}
        return self._templates.get_template(template).render(**known, **shown)

    def refusal(self, error: ServiceError, request_id: str, visitor: Visitor) -> Response:
        """The page of an error, with its status."""
        status = STATUS[error.code]
        title = TITLES.get(status, "That did not work")
        response = self.page(
            "error.html", visitor, status=status, private=True, error=error, title=title, request_id=request_id
        )
        response.headers.update(retry_after(error))
        return response

    def file(self, name: str, tag: str) -> Response | None:
        """A file; None where there is none. tag: by which it was asked for."""
        found = _files().get(name)
        if found is None:
            return None
        # While a release replaces another, a page of one asks for its files at a gateway of the other.
        cache = FOR_EVER if tag == found.tag else "no-cache"
        return Response(found.content, headers={**SAFE, "Cache-Control": cache}, media_type=found.media_type)


class PageErrors:
    """See api.error_form.Errors: on a page, for what breaks outside of a page's own code."""

    def __init__(self, look: Look) -> None:
        self._look = look

    def rendered(self, error: ServiceError, request_id: str) -> tuple[int, bytes, dict[str, str]]:
        """See Errors."""
        response = self._look.refusal(error, request_id, Visitor(""))
        return response.status_code, bytes(response.body), dict(response.headers)
