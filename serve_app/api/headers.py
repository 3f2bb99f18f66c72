"""What a request's headers say of how it is to be served."""

import math
import re
from dataclasses import dataclass

from starlette.requests import Request

from serve_app.api.limits import Limits
from serve_app.domain.caller import ANYONE, TIERS, Caller, Tier
from serve_app.domain.errors import ServiceError, shown

TIMEOUT_HEADER = "x-request-timeout-seconds"  # Ray Serve's own name for it
GATEWAY_TIMEOUT_HEADER = "x-rayrank-timeout-seconds"  # what the proxy makes of it, so that Serve leaves it alone
TIER_HEADER = "x-tier"
PREFERRED_WAIT = re.compile(r'(?:^|[,;])\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:$|[,;])', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Terms:
    """How one request is to be served.

    timeout_s: for its work, from the moment that the model runs. wait_s: how long it waits for a cold model.
    """

    timeout_s: float
    wait_s: float = 0.0
    caller: Caller = ANYONE


def read_terms(request: Request, limits: Limits) -> Terms:
    """The terms of a request. Raises ServiceError invalid_request, which names the header."""
    return Terms(
        timeout_s=_timeout(request, limits.request_timeout_s),
        wait_s=_wait(request, limits.max_cold_wait_s),
        caller=Caller(_address(request, limits.client_address_header), _tier(request)),
    )


def _timeout(request: Request, limit_s: float) -> float:
    """The client's own limit, capped by the server's."""
    given = request.headers.get(GATEWAY_TIMEOUT_HEADER, request.headers.get(TIMEOUT_HEADER))
    if given is None:
        return limit_s
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        message = f"{TIMEOUT_HEADER} must be a number of seconds above 0; got {shown(given)}"
        raise ServiceError("invalid_request", message, TIMEOUT_HEADER)
    return min(seconds, limit_s)


def _wait(request: Request, limit_s: float) -> float:
    """Seconds of `Prefer: wait=N` (RFC 7240, section 4.3); what is not understood there must be ignored."""
    found = PREFERRED_WAIT.search(", ".join(request.headers.getlist("prefer")))
    return min(float(found[1]), limit_s) if found else 0.0


def _tier(request: Request) -> Tier:
    given = request.headers.get(TIER_HEADER, TIERS[0]).strip().lower()
    for tier in TIERS:
        if given == tier:
            return tier
    raise ServiceError("invalid_request", f"X-Tier must be {' or '.join(TIERS)}; got {shown(given)}", "X-Tier")


def _address(request: Request, header: str | None) -> str:
    """The client's address: what the nearest proxy wrote last, since a client may send the header itself."""
    if header and (written := request.headers.getlist(header)):
        return written[-1].rpartition(",")[2].strip()
    return request.client.host if request.client else ""
