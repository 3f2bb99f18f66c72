"""The pages, beside the API in one application."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from serve_app.api.body import in_time, read_bounded
from serve_app.api.door import NoAnswer
from serve_app.api.exchange import CLIENT_GONE, exchange_of
from serve_app.api.hang_up import HungUpError
from serve_app.api.tenant import tenant_of
from serve_app.api.traffic import Traffic
from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.measured import Measurements
from serve_app.domain.accounts import Accounts
from serve_app.domain.errors import ServiceError, shown
from serve_app.domain.no_accounts import NoAccounts
from serve_app.domain.service import RankingService
from serve_app.settings import Settings
from serve_app.web.asking import Asking, Form, Page, Site
from serve_app.web.look import Look, PageErrors
from serve_app.web.offer import LARGEST_FORM, Offer
from serve_app.web.pages import PAGES
from serve_app.web.trial import Trials
from serve_app.web.visitor import TOKEN, Visitor, forget, require_own_site, visitor_of

SHARED = {"/account"}  # paths that the API has, too
MOST_FIELDS = 100
log = logging.getLogger("rayrank.web")
ESCAPED = re.compile(rb"(?:%[0-9A-Fa-f]{2})+")


def add_site(app: FastAPI, service: RankingService, settings: Settings, accounts: Accounts | None) -> None:
    """Put the pages beside the API's own routes, and errors of pages on pages."""
    offer, accounts = Offer.of(settings), accounts or NoAccounts()
    look, traffic = Look(offer), cast("Traffic", app.state.traffic)
    trials = Trials(service, accounts, settings, traffic, offer)
    measurements = Measurements(Path(settings.results))
    for fault in measurements.faults:
        log.warning("results left out", extra={"reason": fault})
    catalog = measurements.on_all(load_catalog())
    site = Site(service, settings, accounts, traffic, catalog, look, trials)
    routes = [_PageRoute(path, _answering(site, page), methods=[method]) for method, path, page in PAGES]
    shared = [route for route in routes if route.path in SHARED]
    app.router.routes[:0] = shared
    # Behind the API's own, whose requests do not pay for looking at them.
    app.router.routes += [*(route for route in routes if route not in shared), Route("/static/{name}", _files(look))]
    _show_errors(app, site)


class _PageRoute(Route):
    """A route for browsers: a path that the API has, too, is the API's for whoever does not want a page."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See Route."""
        match, found = super().matches(scope)
        if match is not Match.NONE and self.path in SHARED and not wants_page(Request(scope)):
            return Match.NONE, {}
        return match, found


def wants_page(request: Request) -> bool:
    """Whether a request is a browser's for a page; one with a key is a client's."""
    return "text/html" in request.headers.get("Accept", "") and "Authorization" not in request.headers


def _answering(site: Site, page: Page) -> Callable[[Request], Awaitable[Response]]:
    errors = PageErrors(site.look)

    async def answer(request: Request) -> Response:
        exchange = exchange_of(request.scope)
        exchange.endpoint, exchange.errors = "page", errors
        http = site.settings.http
        exchange.tenant = tenant_of(request, http.client_address_header)
        visitor = Visitor(exchange.tenant)
        try:
            visitor = visitor_of(request, exchange.tenant, site.settings.accounts)
            form = Form()
            if request.method == "POST":
                require_own_site(request)
                reading = read_bounded(request, min(http.max_body_bytes, LARGEST_FORM))
                form = await asyncio.to_thread(_fields, await in_time(reading, "form", exchange.began, http.timeout_s))
                visitor.require_token(form.get(TOKEN, ""))
            return await page(Asking(site, request, visitor, form))
        except ServiceError as error:
            exchange.code = error.code
            return _refused(site, request, error, visitor)
        except HungUpError:
            exchange.status = CLIENT_GONE
            return NoAnswer()

    return answer


def _refused(site: Site, request: Request, error: ServiceError, visitor: Visitor) -> Response:
    """The page of an error. A session that is over is dropped."""
    over = error.code == "invalid_api_key" and visitor.session is not None
    request_id = exchange_of(request.scope).request_id
    response = site.look.refusal(error, request_id, Visitor(visitor.address) if over else visitor)
    if over:
        forget(response, request)
    return response


def _fields(body: bytes) -> Form:
    """The fields of a form. Raises ServiceError invalid_request where they cannot be read."""
    parts = [part for part in body.split(b"&", MOST_FIELDS) if part]
    if len(parts) > MOST_FIELDS:
        raise ServiceError("invalid_request", f"the form has too many fields; at most {MOST_FIELDS} are read")
    try:
        pairs = [(_unescaped(name), _unescaped(value)) for name, _, value in (part.partition(b"=") for part in parts)]
    except UnicodeDecodeError as error:
        raise ServiceError("invalid_request", f"the form is not in UTF-8: {error}") from None
    return Form(pairs)


def _unescaped(text: bytes) -> str:
    # urllib's takes a second for a megabyte of Chinese, in steps that let no other thread have a turn.
    return ESCAPED.sub(lambda run: bytes.fromhex(run[0].replace(b"%", b"").decode()), text.replace(b"+", b" ")).decode()


def _files(look: Look) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        exchange_of(request.scope).endpoint = "file"
        if found := look.file(request.path_params["name"], request.query_params.get("v", "")):
            return found
        raise HTTPException(404)

    return answer


def _show_errors(app: FastAPI, site: Site) -> None:
    """What the router refuses is a page for whoever wants one."""
    otherwise: Any = app.exception_handlers[HTTPException]

    async def answer(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code != 404 or request.method != "GET" or not wants_page(request):
            response: Response = await otherwise(request, error)
            return response
        exchange = exchange_of(request.scope)
        exchange.code = "not_found"
        missing = ServiceError("not_found", f"there is no page {shown(request.url.path)}")
        try:
            visitor = visitor_of(request, "", site.settings.accounts)
        except ServiceError:  # it says two things at once of who sends it
            visitor = Visitor("")
        return site.look.refusal(missing, exchange.request_id, visitor)

    app.add_exception_handler(HTTPException, answer)
