"""`GET /metrics`: counts and times in the text format that Prometheus reads."""

from serve_app.api.endpoint import Get, Lookup, Words
from serve_app.domain.errors import ServiceError

TEXT = "text/plain; version=0.0.4; charset=utf-8"


async def metrics(lookup: Lookup) -> bytes:
    """The text. Raises ServiceError."""
    if lookup.metrics is None:
        raise ServiceError("not_found", "this server counts nothing")
    return await lookup.metrics()


METRICS = Get(
    name="metrics",
    paths=("/metrics",),
    scope="admin",
    answer=str,
    tell=metrics,
    media_type=TEXT,
    words=Words(
        "Counts and times for Prometheus",
        'ray_rayrank_replicas{model="BAAI/bge-reranker-base"} 2.0\n',
        description="Those of all gateways and replicas, whichever gateway answers; up to 10 s old.",
        statuses=(404, 503),
    ),
)
