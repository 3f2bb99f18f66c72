"""The one way in: every request to every endpoint goes through here, in this order.

Request id and arrival (context.py) -> who asks -> body, bounded in bytes and in time -> mend -> parse -> admission ->
work -> render -> capture -> answer -> one log line (context.py).
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from serve_app.api.body import read_json_body
from serve_app.api.endpoint import Asked, Endpoint, Get, Lookup, Post
from serve_app.api.exchange import CLIENT_GONE, Exchange, exchange_of
from serve_app.api.hang_up import HungUpError, WhileConnected
from serve_app.api.headers import read_terms
from serve_app.api.mending import mended
from serve_app.api.notices import warning_header
from serve_app.api.shared_path import whose
from serve_app.api.tenant import tenant_of
from serve_app.api.timing import SERVER_TIMING, server_timing
from serve_app.api.unchanged import unless_unchanged
from serve_app.domain.errors import ServiceError
from serve_app.domain.service import RankingService
from serve_app.domain.terms import Terms
from serve_app.settings import Settings


class Door:
    """Runs endpoints on a service."""

    def __init__(self, service: RankingService, settings: Settings) -> None:
        self._service, self._settings = service, settings

    async def answer(self, sharing: Sequence[Endpoint], request: Request) -> Response:
        """The answer to a request at the path that these endpoints share, be it an error."""
        exchange = exchange_of(request.scope)
        _enter(exchange, sharing[0])
        try:
            exchange.tenant = tenant_of(request, self._settings.http.client_address_header)
            if isinstance(sharing[0], Get):
                return self._tell(sharing[0], request)
            posts = [endpoint for endpoint in sharing if isinstance(endpoint, Post)]
            return await self._work(posts, request, exchange)
        except ServiceError as error:
            return refusal(error, exchange)
        except HungUpError:
            exchange.status = CLIENT_GONE
            return NoAnswer()

    def _tell(self, endpoint: Get, request: Request) -> Response:
        body = endpoint.tell(Lookup(self._service, self._settings, request.path_params))
        return unless_unchanged(request.headers, body) if endpoint.cached else _json(body, {})

    async def _work(self, sharing: Sequence[Post[Any, Any, Any]], request: Request, exchange: Exchange) -> Response:
        terms = read_terms(
            request.headers,
            self._settings.http,
            tenant=exchange.tenant,
            began=exchange.began,
            request_id=exchange.request_id,
        )
        given = await mended(await self._read(request, terms, exchange))
        endpoint = whose(sharing, given.body)
        _enter(exchange, endpoint)
        body, asked = endpoint.read(given.body, self._settings.http, given.warnings)
        async with WhileConnected(request.receive) as connected, self._service.job(asked, terms) as job:
            answer = await job.answer()
            connected.stop()
            reply = endpoint.render(answer, Asked(body, asked, exchange.request_id, exchange.elapsed_s))
            await job.capture()
        exchange.tokens, exchange.documents = answer.usage.tokens, answer.usage.documents
        headers = {SERVER_TIMING: server_timing(answer.stages), **warning_header(asked.warnings)}
        return _json(reply.body, {**headers, **reply.headers})

    async def _read(self, request: Request, terms: Terms, exchange: Exchange) -> bytes:
        """The body. Raises ServiceError deadline_exceeded where it comes too slowly."""
        try:
            async with asyncio.timeout_at(exchange.began + terms.timeout_s):
                return await read_json_body(request, self._settings.http.max_body_bytes)
        except TimeoutError:
            message = f"the body was not there within the request's limit of {terms.timeout_s:g} s"
            raise ServiceError("deadline_exceeded", message) from None


class NoAnswer(Response):
    """Nothing is sent: there is nobody to read it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See Response."""


def refusal(error: ServiceError, exchange: Exchange, headers: Mapping[str, str] | None = None) -> Response:
    """An error in the form of the endpoint that was asked, with these headers beside its own."""
    exchange.code = error.code
    status, body, own = exchange.errors.rendered(error, exchange.request_id)
    return Response(body, status, {**own, **(headers or {})})


def _enter(exchange: Exchange, endpoint: Endpoint) -> None:
    exchange.endpoint, exchange.errors = endpoint.name, endpoint.errors


def _json(body: bytes, headers: Mapping[str, str]) -> Response:
    return Response(body, headers=dict(headers), media_type="application/json")
