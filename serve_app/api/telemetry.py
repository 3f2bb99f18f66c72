"""Who is told what becomes of requests: metrics and traces, where there are any."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from starlette.datastructures import Headers

from serve_app.api.exchange import Exchange
from serve_app.api.traffic import Counted
from serve_app.domain.trace import Trace


class RequestTrace(Trace, Protocol):
    """Follows a whole request."""

    def end(self, exchange: Exchange) -> None:
        """The request is over."""
        ...


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What is done with what the API knows; nothing where left out.

    over: told of each request that is over, and the seconds that it took. counted: told what Traffic counts. trace:
    begins to follow a request, as its headers say (W3C Trace Context). metrics: all that `GET /metrics` tells, in
    Prometheus's text format; raises ServiceError unavailable.
    """

    over: Callable[[Exchange, float], object] | None = None
    counted: Counted | None = None
    trace: Callable[[Headers], RequestTrace] | None = None
    metrics: Callable[[], Awaitable[bytes]] | None = None


NO_TELEMETRY = Telemetry()
