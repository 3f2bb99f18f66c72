"""What a request's headers say of how it is to be served."""

import math
import re

from starlette.datastructures import Headers

from serve_app.domain.accounts import Visit
from serve_app.domain.caller import TIERS, Caller, Tier
from serve_app.domain.errors import ServiceError, shown
from serve_app.domain.no_accounts import ANYBODY
from serve_app.domain.terms import Terms
from serve_app.domain.trace import UNTRACED, Trace
from serve_app.settings import HttpSettings

TIMEOUT_HEADER = "x-request-timeout-seconds"  # Ray Serve's own name for it
GATEWAY_TIMEOUT_HEADER = "x-rayrank-timeout-seconds"  # what the proxy makes of it, so that Serve leaves it alone
TIER_HEADER = "x-tier"
# What an answer tells of its account's limits: how many, how many are left, and when all are again.
LIMIT_HEADERS = tuple(
    f"x-ratelimit-{said}-{what}" for what in ("requests", "tokens") for said in ("limit", "remaining", "reset")
)
PREFERRED_WAIT = re.compile(r'(?:^|[,;])\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:$|[,;])', re.IGNORECASE)


def read_terms(
    headers: Headers,
    http: HttpSettings,
    visit: Visit = ANYBODY,
    *,
    began: float | None = None,
    request_id: str = "",
    trace: Trace = UNTRACED,
) -> Terms:
    """The terms of a visitor's request. Raises ServiceError invalid_request, which names the header."""
    return Terms(
        timeout_s=_timeout(headers, http.timeout_s),
        wait_s=_wait(headers, http.max_cold_wait_s),
        caller=Caller(visit.tenant, _tier(headers)),
        began=began,
        request_id=request_id,
        meter=visit,
        free=visit.free,
        trace=trace,
    )


def _timeout(headers: Headers, limit_s: float) -> float:
    """The client's own limit, capped by the server's."""
    given = headers.get(GATEWAY_TIMEOUT_HEADER, headers.get(TIMEOUT_HEADER))
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


def _wait(headers: Headers, limit_s: float) -> float:
    """Seconds of `Prefer: wait=N` (RFC 7240, section 4.3); what is not understood there must be ignored."""
    found = PREFERRED_WAIT.search(", ".join(headers.getlist("prefer")))
    return min(float(found[1]), limit_s) if found else 0.0


def _tier(headers: Headers) -> Tier:
    given = headers.get(TIER_HEADER, TIERS[0]).strip().lower()
    for tier in TIERS:
        if given == tier:
            return tier
    raise ServiceError("invalid_request", f"X-Tier must be {' or '.join(TIERS)}; got {shown(given)}", "X-Tier")
