"""`GET /health` and `GET /ready`, for load balancers."""

from pydantic import BaseModel

from serve_app.api.endpoint import Get, Lookup, Words
from serve_app.domain.errors import ServiceError


class HealthBody(BaseModel):
    """A word."""

    status: str


def health(lookup: Lookup) -> bytes:  # noqa: ARG001 - nobody is asked
    """That this process is alive."""
    return b'{"status":"ok"}'


def ready(lookup: Lookup) -> bytes:
    """That the default model would be served. Raises ServiceError unavailable."""
    default = lookup.service.models()[0]
    # A cold model is woken by its first request.
    if default.state.status not in {"ready", "cold"}:
        why = f"has failed: {default.state.failure}" if default.state.failure else f"is {default.state.status}"
        message = f"the model {default.facts.id} {why}"
        raise ServiceError("unavailable", message, retry_after_s=1)
    return b'{"status":"ready"}'


HEALTH = Get(
    name="health",
    paths=("/health",),
    scope=None,
    answer=HealthBody,
    tell=health,
    words=Words("Whether this process is alive", {"status": "ok"}, statuses=(503,)),
)
READY = Get(
    name="ready",
    paths=("/ready",),
    scope=None,
    answer=HealthBody,
    tell=ready,
    words=Words("Whether a request for the default model would be served", {"status": "ready"}, statuses=(503,)),
)
