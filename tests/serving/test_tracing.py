"""What a collector gets of requests, and that it gets no text."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from starlette.datastructures import Headers

from serve_app.api.routes import build_api
from serve_app.api.telemetry import Telemetry
from serve_app.domain.errors import ServiceError
from serve_app.scheduling.work import Step
from serve_app.service.ticket import Ticket
from serve_app.serving.traces import VARIABLES, tracing_of
from serve_app.serving.tracing import Tracing
from serve_app.settings import Settings, TelemetrySettings
from tests.api.word_overlap import MODEL, WordOverlap
from tests.service.replicas import Replicas, passages
from tests.serving.collector import Collector, collecting

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
UNSAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-00"}
BODY = {"model": MODEL, "query": "xyzzy red", "documents": ["xyzzy red fish", "blue"]}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


@pytest.fixture
def tracing(collector: Collector) -> Iterator[Tracing]:
    found = tracing_of(TelemetrySettings(traces=collector.url))
    assert found
    yield found
    found.close()


def facts(span: object) -> dict[str, str | int]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}  # type: ignore[attr-defined]


async def ask(tracing: Tracing, service: WordOverlap, headers: dict[str, str]) -> httpx.Response:
    app = build_api(service, Settings(), telemetry=Telemetry(trace=tracing.request))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://rayrank") as client:
        return await client.post("/v1/rerank", json=BODY, headers=headers)


async def test_a_request_goes_on_with_its_clients_trace(tracing: Tracing, collector: Collector) -> None:
    await ask(tracing, WordOverlap(), SAMPLED | {"x-request-id": "mine"})
    tracing.close()
    span = collector.named("rerank")
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
    told = facts(span)
    assert (told["rayrank.request_id"], told["rayrank.model"]) == ("mine", MODEL)
    assert (told["http.response.status_code"], told["rayrank.documents"]) == (200, 2)


async def test_an_error_is_told_by_its_code_and_no_text(tracing: Tracing, collector: Collector) -> None:
    service = WordOverlap()
    service.error = RuntimeError("xyzzy is in the message")
    assert (await ask(tracing, service, SAMPLED)).status_code == 500
    tracing.close()
    span = collector.named("rerank")
    assert (facts(span)["error.type"], span.status.code) == ("internal", 2)
    assert b"xyzzy" not in collector.raw


@pytest.mark.parametrize("headers", [{"traceparent": "00-nonsense"}, {}])
async def test_without_a_trace_of_the_client_it_begins_one(
    tracing: Tracing, collector: Collector, headers: dict[str, str]
) -> None:
    await ask(tracing, WordOverlap(), headers)
    tracing.close()
    assert collector.named("rerank").parent_span_id == b""


async def test_what_the_client_does_not_sample_is_not_followed(tracing: Tracing, collector: Collector) -> None:
    await ask(tracing, WordOverlap(), UNSAMPLED)
    request = tracing.request(Headers(UNSAMPLED))
    with request.part("shard") as part:
        assert (request.context, part.context) == ("", "")
    tracing.close()
    assert not collector.spans


async def test_a_shard_is_followed_to_its_replica_and_each_of_its_steps(tracing: Tracing, collector: Collector) -> None:
    replicas = Replicas()
    request = tracing.request(Headers(SAMPLED))
    now = asyncio.get_running_loop().time()
    async with replicas.dispatcher().request(Ticket(now + 60, trace=request)) as spread:
        spread.add(passages(1))
    (call,) = replicas.calls
    with tracing.going_on(call.trace, "score", tokens=10) as trace:
        trace.step(Step(began=now, done=now + 0.5, tokens=70, own_tokens=10), now + 0.5)
    tracing.close()
    shard, score, step = (collector.named(name) for name in ("shard", "score", "step"))
    assert {span.trace_id.hex() for span in (shard, score, step)} == {TRACE}
    assert (score.parent_span_id, step.parent_span_id) == (shard.span_id, score.span_id)
    assert facts(step) == {"tokens": 70, "own_tokens": 10}
    assert step.end_time_unix_nano - step.start_time_unix_nano == pytest.approx(5e8, rel=1e-3)


async def test_a_part_that_fails_ends_and_tells_why(tracing: Tracing, collector: Collector) -> None:
    request = tracing.request(Headers(SAMPLED))
    with pytest.raises(ServiceError), request.part("shard"):
        raise ServiceError("overloaded", "xyzzy")
    tracing.close()
    assert facts(collector.named("shard")) == {"error.type": "overloaded"}
    assert b"xyzzy" not in collector.raw


def test_traces_are_off_unless_someone_names_a_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert tracing_of(TelemetrySettings()) is None
    monkeypatch.setenv(VARIABLES[1], "http://127.0.0.1:9")
    tracing = tracing_of(TelemetrySettings())
    assert tracing is not None
    tracing.close()
