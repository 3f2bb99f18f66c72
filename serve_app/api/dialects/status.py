"""`GET /v1/status`: what an operator looks at: replicas, queues, and the last hour's traffic."""

import time
from collections.abc import Sequence
from dataclasses import replace

from pydantic import BaseModel

from serve_app import __version__
from serve_app.api.dialects import examples
from serve_app.api.dialects.models import EXAMPLE_INFO
from serve_app.api.endpoint import Get, Lookup, Words
from serve_app.api.traffic import Counts, Minute, Traffic, together
from serve_app.domain.model import ModelInfo, ModelStatus
from serve_app.domain.service import RankingService
from serve_app.settings import Settings


class Percentiles(BaseModel):
    """Seconds within which half, 95 % and 99 % of the answers were given, to within 5 %; null where there were none."""

    p50: float | None
    p95: float | None
    p99: float | None


class LastHour(BaseModel):
    """What this gateway answered in the last 60 minutes.

    documents, tokens: that were billed. client_errors: 4xx, but not 429; refused: 429. server_errors: 5xx. hung_up:
    whose clients did not wait. latency_s: of the answers that were no error.
    """

    requests: int
    documents: int
    tokens: int
    client_errors: int
    refused: int
    server_errors: int
    hung_up: int
    latency_s: Percentiles


class MinutePercentiles(BaseModel):
    """As Percentiles."""

    p50: float | None
    p95: float | None


class MinuteBody(BaseModel):
    """One minute of this gateway. start: seconds since 1970. documents_per_s: null where it did not run yet."""

    start: int
    requests: int
    documents: int
    documents_per_s: float | None
    latency_s: MinutePercentiles


class ModelStatusBody(BaseModel):
    """A served model.

    queue_s: seconds that its replicas need for what waits. documents_per_s: that all replicas together have scored over
    the last minutes, for all gateways. minutes: 60 of them, the oldest first; the last one is not over.
    """

    id: str
    status: ModelStatus
    failure: str | None
    replicas: int
    queue_s: float | None
    documents_per_s: float | None
    precision: str | None
    last_hour: LastHour
    minutes: list[MinuteBody]


class StatusBody(BaseModel):
    """How one gateway is doing.

    gateways: how many there may be. started: this one, seconds since 1970. in_work: requests that it answers at the
    moment. last_hour: of all models, and of requests that were refused before their model was known.
    """

    version: str
    gateways: int
    started: int
    in_work: int
    last_hour: LastHour
    models: list[ModelStatusBody]


def status_of(service: RankingService, traffic: Traffic, settings: Settings, now: float) -> StatusBody:
    """How this gateway is doing. now: seconds since 1970."""
    return _status(service.models(), traffic, settings.gateway.max_replicas or settings.gateway.replicas, now)


def _status(models: Sequence[ModelInfo], traffic: Traffic, gateways: int, now: float) -> StatusBody:
    return StatusBody(
        version=__version__,
        gateways=gateways,
        started=int(traffic.started),
        in_work=traffic.in_work,
        last_hour=_last_hour(traffic.hour(now)),
        models=[_model(info, traffic.hour(now, info.facts.id)) for info in models],
    )


def _model(info: ModelInfo, minutes: Sequence[Minute]) -> ModelStatusBody:
    state = info.state
    return ModelStatusBody(
        id=info.facts.id,
        status=state.status,
        failure=state.failure,
        replicas=state.replicas,
        queue_s=_short(state.queue_s),
        documents_per_s=_short(state.documents_per_s),
        precision=state.precision,
        last_hour=_last_hour(minutes),
        minutes=[_minute(minute) for minute in minutes],
    )


def _last_hour(minutes: Sequence[Minute]) -> LastHour:
    counts = together(minute.counts for minute in minutes)
    p50, p95, p99 = _percentiles(counts, 0.5, 0.95, 0.99)
    return LastHour(
        requests=counts.requests,
        documents=counts.documents,
        tokens=counts.tokens,
        client_errors=counts.client_errors,
        refused=counts.refused,
        server_errors=counts.server_errors,
        hung_up=counts.hung_up,
        latency_s=Percentiles(p50=p50, p95=p95, p99=p99),
    )


def _minute(minute: Minute) -> MinuteBody:
    counts = minute.counts
    p50, p95 = _percentiles(counts, 0.5, 0.95)
    return MinuteBody(
        start=minute.start,
        requests=counts.requests,
        documents=counts.documents,
        documents_per_s=_short(counts.documents / max(minute.seconds, 1.0)) if minute.seconds else None,
        latency_s=MinutePercentiles(p50=p50, p95=p95),
    )


def _percentiles(counts: Counts, *shares: float) -> list[float | None]:
    return [_short(seconds) for seconds in counts.latencies.percentiles(*shares)]


def _short(figure: float | None) -> float | None:
    """Four digits, which is more than is known."""
    return None if figure is None else float(f"{figure:.4g}")


def status(lookup: Lookup) -> bytes:
    """The body."""
    return status_of(lookup.service, lookup.traffic, lookup.settings, time.time()).model_dump_json().encode()


def _example() -> StatusBody:
    traffic = Traffic(lambda: examples.CREATED)
    for seconds in (0.021, 0.024, 0.048):
        traffic.record(EXAMPLE_INFO.facts.id, 200, seconds, 2_000, 100)
    traffic.record("", 401, 0.001, 0, 0)
    state = replace(EXAMPLE_INFO.state, queue_s=0.12, precision="float32")
    made = _status([replace(EXAMPLE_INFO, state=state)], traffic, 1, examples.CREATED + 50)
    made.models[0].minutes = made.models[0].minutes[-1:]
    return made


STATUS = Get(
    name="status",
    paths=("/v1/status",),
    scope="admin",
    answer=StatusBody,
    tell=status,
    words=Words(
        "How the service is doing, for its operator",
        _example().model_dump(mode="json"),
        description="Replicas and throughput are what all gateways see. Requests, latencies and `in_work` are those of "
        "the gateway that answers; `gateways` is how many the settings allow. The example is cut to one minute of 60.",
        statuses=(503,),
    ),
)
