"""What every answer carries, whatever the route: a request id, and an error body where something broke."""

import logging
import re
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_app.api.forms import error_form, render_error
from serve_app.domain.errors import ServiceError

log = logging.getLogger("rayrank.api")

REQUEST_ID = "X-Request-Id"
SANE_ID = re.compile(r"[\x21-\x7e]{1,128}")


class RequestContext:
    """ASGI middleware: `scope["state"]["request_id"]` is the client's own X-Request-Id when that is sane, else new.

    What escapes the routes is logged with the id and answered 500 without its internals.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = given if SANE_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            log.exception("request failed", extra={"request_id": request_id, "path": scope["path"]})
            if started:
                raise
            error = ServiceError("internal", f"something broke here; the request id is {request_id}")
            status, body, headers = render_error(error, request_id, error_form(scope["path"]))
            await Response(body, status, headers)(scope, receive, send_with_id)
