"""The ASGI application: every endpoint behind the one door, and what HTTP asks of all of them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from serve_app import __version__
from serve_app.api import openapi
from serve_app.api.context import RequestContext
from serve_app.api.door import Door, refusal
from serve_app.api.endpoint import Endpoint
from serve_app.api.exchange import REQUEST_ID, exchange_of
from serve_app.api.head import HeadAsGet
from serve_app.api.headers import LIMIT_HEADERS
from serve_app.api.idempotency import REPLAYED
from serve_app.api.notices import WARNING
from serve_app.api.room import Room
from serve_app.api.surface import by_path, error_form
from serve_app.api.telemetry import NO_TELEMETRY, Telemetry
from serve_app.api.timing import SERVER_TIMING
from serve_app.api.traffic import Traffic
from serve_app.domain.accounts import Accounts
from serve_app.domain.errors import ServiceError, shown
from serve_app.domain.no_accounts import NoAccounts
from serve_app.domain.service import RankingService
from serve_app.settings import Settings

WORTH_COMPRESSING = 4_096  # bytes
# level 1 takes a millisecond for 100 KiB of JSON and leaves a fifth; higher ones take more and leave little less
COMPRESSION = 1
EXPOSED = [REQUEST_ID, SERVER_TIMING, WARNING, "Retry-After", "ETag", "WWW-Authenticate", REPLAYED, *LIMIT_HEADERS]


def build_api(
    service: RankingService,
    settings: Settings,
    accounts: Accounts | None = None,
    telemetry: Telemetry = NO_TELEMETRY,
) -> FastAPI:
    """The ASGI application over a service. accounts: None where whoever reaches it may ask.

    Its `state.traffic` is the Traffic that it counts.
    """
    traffic = Traffic(counted=telemetry.counted)
    app = FastAPIOffline(
        title="rayrank",
        version=__version__,
        description="Sends documents back sorted by relevance to a query.",
        openapi_url="/v1/openapi.json",
        openapi_tags=openapi.TAGS,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.traffic = traffic
    room = Room(settings.http.max_bytes_in_work)
    app.add_middleware(RequestContext, error_form=error_form, traffic=traffic, room=room, telemetry=telemetry)
    app.add_middleware(GZipMiddleware, minimum_size=WORTH_COMPRESSING, compresslevel=COMPRESSION)
    app.add_middleware(HeadAsGet)
    if origins := settings.http.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=EXPOSED,
        )
    app.add_exception_handler(HTTPException, _answer_http_exception)
    door = Door(service, settings, accounts or NoAccounts(), traffic, telemetry)
    for (path, method), sharing in by_path().items():
        app.router.add_api_route(
            path,
            _handler(door, sharing),
            methods=[method],
            route_class_override=_DoorRoute,
            **openapi.operation(path, sharing),
        )
    return app


class _DoorRoute(APIRoute):
    """A route whose handler takes the request as it is: FastAPI's part is the document alone."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """See APIRoute."""
        return self.endpoint


def _handler(door: Door, sharing: Sequence[Endpoint]) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        return await door.answer(sharing, request)

    return handle


def _methods(request: Request) -> list[str]:
    """What a path has; several routes may share it, of which the error names one."""
    routes = [route for route in request.app.router.routes if route.matches(request.scope)[0] is not Match.NONE]
    found = {method for route in routes for method in getattr(route, "methods", None) or ()}
    return [method for method in ("GET", "POST", "DELETE") if method in found] + (["HEAD"] if "GET" in found else [])


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    """What the router itself refuses: an unknown path, a method that a path does not have."""
    assert isinstance(error, HTTPException)
    exchange, path = exchange_of(request.scope), shown(request.url.path)
    if error.status_code == 405:
        allowed = ", ".join(_methods(request))
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": f"{allowed}, OPTIONS"})
        message = f"{request.method} is not allowed on {path}; allowed: {allowed}"
        return refusal(ServiceError("method_not_allowed", message), exchange, {"Allow": allowed})
    if error.status_code == 404:
        return refusal(ServiceError("not_found", f"there is nothing at {path}; see /docs"), exchange)
    return refusal(ServiceError("invalid_request", str(error.detail)), exchange)
