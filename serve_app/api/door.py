"""The one way in: every request to every endpoint goes through here, in this order.

Request id and arrival (context.py) -> who asks -> body, bounded in bytes and in time -> mend -> parse -> may they? ->
answered before? -> admission -> work -> render -> keep -> capture -> answer -> one log line (context.py).
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from serve_app.api.allowed import asked_model, require_model_allowed
from serve_app.api.body import read_in_time
from serve_app.api.credentials import credentials_of
from serve_app.api.desk import PRIVATE, at_desk
from serve_app.api.endpoint import Action, Asked, Endpoint, Get, Lookup, Post
from serve_app.api.exchange import CLIENT_GONE, Exchange, Who, exchange_of
from serve_app.api.hang_up import HungUpError, WhileConnected
from serve_app.api.headers import read_terms
from serve_app.api.idempotency import IDEMPOTENCY_KEY, REPLAYED, UNUSED, fingerprint, idempotency_key
from serve_app.api.mending import mended
from serve_app.api.notices import warning_header
from serve_app.api.shared_path import whose
from serve_app.api.telemetry import NO_TELEMETRY, Telemetry
from serve_app.api.tenant import tenant_of
from serve_app.api.timing import SERVER_TIMING, server_timing
from serve_app.api.traffic import Traffic
from serve_app.api.unchanged import unless_unchanged
from serve_app.domain.accounts import Accounts, Credentials, KeptAnswer, Visit
from serve_app.domain.errors import ServiceError
from serve_app.domain.no_accounts import ANYBODY, accounts_off
from serve_app.domain.service import RankingService
from serve_app.settings import Settings

MOST_LOGGED = 10_000  # bytes of a body


class Door:
    """Runs endpoints on a service, for whom the accounts let in."""

    def __init__(
        self,
        service: RankingService,
        settings: Settings,
        accounts: Accounts,
        traffic: Traffic,
        telemetry: Telemetry = NO_TELEMETRY,
    ) -> None:
        self._service, self._settings, self._accounts, self._traffic = service, settings, accounts, traffic
        self._metrics = telemetry.metrics

    async def answer(self, sharing: Sequence[Endpoint], request: Request) -> Response:
        """The answer to a request at the path that these endpoints share, be it an error."""
        exchange = exchange_of(request.scope)
        _enter(exchange, sharing[0])
        try:
            exchange.tenant = tenant_of(request, self._settings.http.client_address_header)
            async with self._let_in(sharing[0], request, exchange) as visit:
                return await self._answer(sharing, request, exchange, visit)
        except ServiceError as error:
            return refusal(error, exchange)
        except HungUpError:
            exchange.status = CLIENT_GONE
            return NoAnswer()

    @asynccontextmanager
    async def _let_in(self, endpoint: Endpoint, request: Request, exchange: Exchange) -> AsyncIterator[Visit]:
        """Whoever asks. Raises ServiceError where that one is not let in."""
        if isinstance(endpoint, Action) and self._accounts.desk is None:
            raise accounts_off()
        if endpoint.scope is None:
            yield ANYBODY
            return
        public = endpoint.scope == "public"
        credentials = self._credentials(request, exchange)
        async with self._accounts.visit(credentials, exchange.request_id, public=public) as visit:
            exchange.tenant, exchange.who = visit.tenant, self._who(credentials)
            try:
                yield visit
            finally:
                exchange.headers = visit.headers

    def _who(self, credentials: Credentials) -> Who:
        if self._accounts.desk is None:
            return "anyone"
        if credentials.key is None and credentials.email is None:
            return "demo" if credentials.demo else "public"
        return "account"

    def _credentials(self, request: Request, exchange: Exchange) -> Credentials:
        if self._accounts.desk is None:  # whatever a client sends for a key is nobody's
            return Credentials(exchange.tenant)
        accounts = self._settings.accounts
        return credentials_of(request, exchange.tenant, accounts.identity_header if accounts else None)

    async def _answer(
        self, sharing: Sequence[Endpoint], request: Request, exchange: Exchange, visit: Visit
    ) -> Response:
        if posts := [endpoint for endpoint in sharing if isinstance(endpoint, Post)]:
            self._traffic.in_work += 1
            try:
                return await self._work(posts, request, exchange, visit)
            finally:
                self._traffic.in_work -= 1
        endpoint, desk = sharing[0], self._accounts.desk
        if isinstance(endpoint, Action) and desk is not None:
            response = await at_desk(
                endpoint, desk, visit, self._service, request, timeout_s=self._settings.http.timeout_s
            )
        else:
            assert isinstance(endpoint, Get)
            response = await self._tell(endpoint, request, visit)
        if desk is not None and IDEMPOTENCY_KEY in request.headers:
            response.headers.update(warning_header([UNUSED]))
        return response

    async def _tell(self, endpoint: Get, request: Request, visit: Visit) -> Response:
        endpoint.require_allowed(visit)
        told = endpoint.tell(Lookup(self._service, self._settings, self._traffic, request.path_params, self._metrics))
        body = told if isinstance(told, bytes) else await told
        if endpoint.cached:
            return unless_unchanged(request.headers, body)
        headers = {} if endpoint.scope in {None, "public"} else PRIVATE
        return Response(body, headers=headers, media_type=endpoint.media_type)

    async def _work(
        self, sharing: Sequence[Post[Any, Any, Any]], request: Request, exchange: Exchange, visit: Visit
    ) -> Response:
        http = self._settings.http
        terms = read_terms(
            request.headers,
            http,
            visit,
            began=exchange.began,
            request_id=exchange.request_id,
            trace=exchange.trace,
        )
        exchange.tier = terms.caller.tier
        key = None if self._accounts.desk is None else idempotency_key(request.headers)
        raw = await read_in_time(request, http.max_body_bytes, exchange.began, terms.timeout_s)
        if self._settings.telemetry.log_texts:
            exchange.body = raw[:MOST_LOGGED]
        given = await mended(raw)
        exchange.share.reach_parsed(given.body)
        endpoint = whose(sharing, given.body)
        _enter(exchange, endpoint)
        body, asked = endpoint.read(given.body, http, given.warnings)
        del given  # may be large, as is the body as it came
        model = asked_model(asked, self._service)
        exchange.model = model.facts.id if model else ""
        require_model_allowed(visit, endpoint, model)
        if key and (kept := await visit.claim(key, await fingerprint(request, terms.caller.tier, raw))):
            return _json(kept.body, {**kept.headers, REPLAYED: "true"})
        del raw
        async with WhileConnected(request.receive) as connected, self._service.job(asked, terms) as job:
            answer = await job.answer()
            connected.stop()
            reply = endpoint.render(answer, Asked(body, asked, exchange.request_id, exchange.elapsed_s))
            headers = {SERVER_TIMING: server_timing(answer.stages), **warning_header(asked.warnings), **reply.headers}
            if key:
                visit.keep(KeptAnswer(reply.body, headers))
            await job.capture()
        exchange.tokens, exchange.documents = answer.usage.tokens, answer.usage.documents
        exchange.stages = answer.stages
        return _json(reply.body, headers)


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
    exchange.of_model = isinstance(endpoint, Post)


def _json(body: bytes, headers: Mapping[str, str]) -> Response:
    return Response(body, headers=dict(headers), media_type="application/json")
