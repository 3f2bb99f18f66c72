"""Around everything: a request id, the moment of arrival, an answer where something broke, and one log line."""

import asyncio
import logging
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_app.api.door import refusal
from serve_app.api.error_form import ErrorForm
from serve_app.api.errors import broken
from serve_app.api.exchange import CLIENT_GONE, REQUEST_ID, Exchange, begin
from serve_app.api.room import Room
from serve_app.api.telemetry import NO_TELEMETRY, Telemetry
from serve_app.api.traffic import Traffic
from serve_app.domain.errors import shown

log = logging.getLogger("rayrank.api")


class RequestContext:
    """ASGI middleware: a request has its Exchange in `scope["state"]`, and its path no slash at the end.

    What escapes the routes is logged with the id and answered 500 without its internals. error_form: the form of errors
    at a path, for what fails before an endpoint is known. traffic: where what models were asked is counted. room: for
    bodies. telemetry: who is told of each request.
    """

    def __init__(
        self,
        app: ASGIApp,
        error_form: Callable[[str], ErrorForm],
        traffic: Traffic,
        room: Room,
        telemetry: Telemetry = NO_TELEMETRY,
    ) -> None:
        self._app, self._error_form, self._traffic, self._room = app, error_form, traffic, room
        self._over, self._trace = telemetry.over, telemetry.trace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whatever breaks."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with self._room.share() as share:
            headers = Headers(scope=scope)
            exchange = begin(scope, headers.get(REQUEST_ID, ""), share)
            trace = self._trace(headers) if self._trace else None
            exchange.trace = trace or exchange.trace
            try:
                await self._answered(exchange, scope, receive, send)
            finally:
                if trace:
                    trace.end(exchange)

    async def _answered(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        scope["path"] = scope["path"].rstrip("/") or "/"
        exchange.errors = self._error_form(scope["path"])
        answer = _Answer(send, exchange)
        try:
            await self._app(scope, receive, answer.send)
        except asyncio.CancelledError:  # how Serve says that the client is gone
            exchange.status = exchange.status or CLIENT_GONE
            raise
        except Exception:
            log.exception("request failed", extra={"request_id": exchange.request_id, "path": shown(scope["path"])})
            if exchange.status:
                raise
            await refusal(broken(exchange.request_id), exchange)(scope, receive, answer.send)
        finally:
            exchange.log()
            seconds = exchange.elapsed_s
            if exchange.of_model:
                self._traffic.record(
                    exchange.model,
                    exchange.status,
                    seconds,
                    exchange.tokens,
                    exchange.documents,
                    tier=exchange.tier,
                    stages=exchange.stages,
                )
            if self._over:
                self._over(exchange, seconds)


class _Answer:
    """Passes an answer on, with its request's id and the limits of who asked, and notes its status."""

    def __init__(self, send: Send, exchange: Exchange) -> None:
        self._send, self._exchange = send, exchange

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._exchange.status = message["status"]
            MutableHeaders(scope=message).update({**self._exchange.headers, REQUEST_ID: self._exchange.request_id})
        await self._send(message)
