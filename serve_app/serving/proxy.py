"""What Serve's own HTTP servers do on the way in and out, put into the API's form.

Serve answers in plain text what never reaches the gateway (no gateway, a time-out, overload). Serve loads
`middlewares` by RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH into the proxy and into each gateway's own port.
"""

import logging
import uuid
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_app.api.errors import STATUS
from serve_app.api.exchange import REQUEST_ID, SANE_ID
from serve_app.api.headers import GATEWAY_TIMEOUT_HEADER, TIMEOUT_HEADER
from serve_app.api.surface import error_form
from serve_app.domain.errors import Code, ServiceError, shown
from serve_app.serving.logs import OURS, log_to_serve
from serve_app.serving.malformed import answer_malformed_requests

log = logging.getLogger("rayrank.proxy")

# The code for a status that Serve may answer on its own.
CODES: Mapping[int, Code] = {status: code for code, status in reversed(STATUS.items())} | {
    404: "unavailable",  # Serve's own: no application serves there yet
    429: "overloaded",
    503: "unavailable",
}
OF_GATEWAY = ("application/json", "application/x-ndjson", "text/html")  # what its errors are, for clients and on pages
RESTART_S = 2.0


def middlewares() -> list[Middleware]:
    """What Serve puts around its HTTP servers."""
    if not logging.getLogger(OURS).handlers:  # a gateway has them already
        log_to_serve()
    answer_malformed_requests()
    return [Middleware(ProxyManners)]


class ProxyManners:
    """ASGI middleware: errors in the API's envelope, one sane request id, time-outs left to the gateway."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back in the API's form."""
        if scope["type"] == "websocket":
            await _refuse_web_socket(scope, send)
            return
        # Below /-/ Serve speaks to its own parts.
        if scope["type"] != "http" or scope["path"].startswith("/-/"):
            await self._app(scope, receive, send)
            return
        _leave_to_gateway(MutableHeaders(scope=scope))
        if scope["method"] == "OPTIONS":  # a refused preflight says why in plain text, for whoever looks into it
            await self._app(scope, receive, send)
            return
        answer = _Answer(send, scope["path"])
        try:
            await self._app(scope, receive, answer.send)
        except Exception:
            if answer.begun:
                raise
            log.exception("proxy failed", extra={"path": shown(scope["path"])})
        if not answer.begun:
            await answer.refuse(503)


def _leave_to_gateway(headers: MutableHeaders) -> None:
    """Take out what Serve would act on: a limit of 0 switches its own time-out off, a header its cancelling."""
    if (limit := headers.get(TIMEOUT_HEADER)) is not None:
        del headers[TIMEOUT_HEADER]
        headers[GATEWAY_TIMEOUT_HEADER] = limit
    if "x-request-disconnect-disabled" in headers:
        del headers["x-request-disconnect-disabled"]
    if not SANE_ID.fullmatch(headers.get(REQUEST_ID, "sane")):
        del headers[REQUEST_ID]


async def _refuse_web_socket(scope: Scope, send: Send) -> None:
    """Answer the request for one as any other that is not served here."""
    request_id = Headers(scope=scope).get(REQUEST_ID, "")
    if not SANE_ID.fullmatch(request_id):
        request_id = uuid.uuid4().hex
    error = ServiceError("invalid_request", "there are no WebSockets here; ask by HTTP")
    status, body, headers = error_form(scope["path"]).rendered(error, request_id)
    headers |= {"content-length": str(len(body)), REQUEST_ID: request_id}
    await send({"type": "websocket.http.response.start", "status": status, "headers": _raw(headers)})
    await send({"type": "websocket.http.response.body", "body": body})


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


class _Answer:
    """Passes an answer on; an error that is not the gateway's is replaced."""

    def __init__(self, send: Send, path: str) -> None:
        self._send, self._path = send, path
        self._replacing = False
        self.begun = False

    async def send(self, message: Message) -> None:
        if self._replacing:
            return
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            # Serve adds the id that the gateway's answer already carries.
            if request_id := headers.get(REQUEST_ID):
                headers[REQUEST_ID] = request_id
            of_gateway = headers.get("content-type", "").startswith(OF_GATEWAY)
            if message["status"] >= 400 and not of_gateway:
                self._replacing = True
                await self.refuse(message["status"], request_id)
                return
            self.begun = True
        await self._send(message)

    async def refuse(self, status: int, request_id: str | None = None) -> None:
        code = CODES.get(status, "internal")
        error = ServiceError(
            code,
            "the request was not served; nothing was charged",
            retry_after_s=RESTART_S if code in {"overloaded", "unavailable"} else None,
        )
        status, body, headers = error_form(self._path).rendered(error, request_id or "")
        headers["content-length"] = str(len(body))
        if request_id:
            headers[REQUEST_ID] = request_id
        self.begun = True
        await self._send({"type": "http.response.start", "status": status, "headers": _raw(headers)})
        await self._send({"type": "http.response.body", "body": body})
