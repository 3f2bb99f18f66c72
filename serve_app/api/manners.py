"""What HTTP asks of every route: HEAD, timings, and answers that have not changed."""

from hashlib import blake2b

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_app.domain.answer import Stages


class HeadAsGet:
    """ASGI middleware: HEAD is answered as GET would be, without the body (RFC 9110, section 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self._app(dict(scope, method="GET"), receive, send_head)


def json_response(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A body that is JSON."""
    return Response(body, status, headers, media_type="application/json")


def unless_unchanged(request: Request, body: bytes) -> Response:
    """The body with an entity tag, or 304 where the client has it (RFC 9110, section 13.1.2)."""
    tag = f'W/"{blake2b(body, digest_size=12).hexdigest()}"'
    known = request.headers.get("if-none-match", "")
    if known.strip() == "*" or tag in (each.strip() for each in known.split(",")):
        return Response(status_code=304, headers={"ETag": tag})
    return json_response(body, headers={"ETag": tag})


def server_timing(stages: Stages) -> dict[str, str]:
    """The header that says where a request's time went, in milliseconds (W3C Server Timing)."""
    times = {"tokenize": stages.tokenize, "queue": stages.queue, "score": stages.score, "merge": stages.merge}
    return {"Server-Timing": ", ".join(f"{name};dur={1_000 * seconds:.1f}" for name, seconds in times.items())}
