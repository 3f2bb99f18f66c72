"""What is counted of a gateway's requests, and for how long."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from serve_app.api.routes import build_api
from serve_app.api.traffic import MOST_MODELS, OTHERS, Counts, Traffic, together
from serve_app.domain.errors import ServiceError
from tests.api.asgi import converse
from tests.api.conftest import SETTINGS, WITH_ACCOUNTS
from tests.api.in_memory_accounts import EMBEDDING_KEY, KEY, InMemoryAccounts
from tests.api.test_door import RAW, Slow
from tests.api.word_overlap import MODEL, WordOverlap

BODY: dict[str, Any] = {"model": "Overlap", "query": "red fish", "documents": ["red fish", "blue"]}
KINDS = ("requests", "documents", "tokens", "client_errors", "refused", "server_errors", "hung_up")
HOUR_S = 3_600


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def told(counts: Counts) -> dict[str, int]:
    """What is not 0."""
    return {kind: getattr(counts, kind) for kind in KINDS if getattr(counts, kind)}


def counted(api: FastAPI, model: str | None) -> dict[str, int]:
    traffic: Traffic = api.state.traffic
    return told(together(minute.counts for minute in traffic.hour(traffic.started + 1, model)))


async def ask(
    api: FastAPI, path: str = "/v1/rerank", body: Any = BODY, headers: Mapping[str, str] | None = None
) -> int:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://rayrank") as client:
        response = await client.post(path, json=body, headers=headers)
        return response.status_code


def test_each_request_is_in_its_minute_and_its_model_for_an_hour() -> None:
    clock = Clock(6_030.0)
    traffic = Traffic(clock)
    traffic.record("a", 200, 0.5, 70, 10)
    clock.now = 6_059.9
    traffic.record("a", 200, 0.5, 7, 1)
    traffic.record("b", 503, 0.5, 0, 0)
    clock.now = 6_060.0
    traffic.record("a", 429, 0.5, 0, 0)

    before, now = traffic.hour(clock.now + 15, "a")[-2:]
    assert (before.start, before.seconds, told(before.counts)) == (
        6_000,
        30,
        {"requests": 2, "documents": 11, "tokens": 77},
    )
    assert (now.start, now.seconds, told(now.counts)) == (6_060, 15, {"requests": 1, "refused": 1})
    assert told(traffic.hour(clock.now)[-2].counts)["requests"] == 3
    minutes = traffic.hour(6_000 + HOUR_S - 1, "a")
    assert (len(minutes), minutes[0].start, minutes[0].counts.requests) == (60, 6_000, 2)
    assert [minute.start for minute in traffic.hour(6_000 + HOUR_S, "a") if minute.counts.requests] == [6_060]


def test_what_is_kept_does_not_grow_with_time_models_or_a_clock_that_is_set() -> None:
    clock = Clock(1e6)
    traffic = Traffic(clock)
    for step in range(500):
        clock.now += 60 if step % 7 else -3 * HOUR_S
        for model in range(100):
            traffic.record(f"org/{model}", 200, 0.5, 7, 1)
    kept = traffic._minutes
    assert len(kept) <= 60
    assert {len(models) for models in kept.values()} == {MOST_MODELS}
    assert kept[int(clock.now) // 60][OTHERS].requests == 100 - (MOST_MODELS - 1)


async def test_an_answer_counts_under_the_models_id_with_what_was_billed(service: WordOverlap) -> None:
    api = build_api(service, SETTINGS)
    assert await ask(api) == 200
    assert await ask(api, "/tokenize", {"inputs": ["red"]}) == 200  # the default model
    assert counted(api, MODEL) == counted(api, None) == {"requests": 2, "documents": 3, "tokens": 21}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ServiceError("invalid_request", "too long"), "client_errors"),
        (ServiceError("deadline_exceeded", "too late"), "client_errors"),
        (ServiceError("overloaded", "busy"), "refused"),
        (ServiceError("unavailable", "away"), "server_errors"),
        (RuntimeError("broken"), "server_errors"),
    ],
)
async def test_an_error_counts_under_the_model_that_was_asked(
    service: WordOverlap, error: Exception, kind: str
) -> None:
    service.error = error
    api = build_api(service, SETTINGS)
    await ask(api)
    assert counted(api, MODEL) == {"requests": 1, kind: 1}
    assert api.state.traffic.hour(api.state.traffic.started)[-1].counts.latencies.percentiles(0.5) == [None]


async def test_a_request_whose_model_cannot_be_told_counts_under_none(service: WordOverlap) -> None:
    api = build_api(service, WITH_ACCOUNTS, InMemoryAccounts())
    bearer = {"authorization": f"Bearer {KEY}"}
    assert await ask(api) == 401
    assert await ask(api, body=BODY | {"query": ""}, headers=bearer) == 400
    assert await ask(api, body=BODY | {"model": "org/unheard-of"}, headers=bearer) == 404
    assert counted(api, "") == counted(api, None) == {"requests": 3, "client_errors": 3}
    assert await ask(api, headers={"authorization": f"Bearer {EMBEDDING_KEY}"}) == 403
    assert counted(api, MODEL) == {"requests": 1, "client_errors": 1}


async def test_what_asks_nothing_of_a_model_is_no_traffic(service: WordOverlap) -> None:
    api = build_api(service, SETTINGS)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://rayrank") as client:
        for path in (
            "/health",
            "/ready",
            "/info",
            "/v1/models",
            f"/v1/models/{MODEL}",
            "/v1/status",
            "/docs",
            "/nowhere",
        ):
            await client.get(path)
        await client.get("/v1/rerank")
        await client.post("/v1/keys", json={})
    assert counted(api, None) == {}


async def test_a_client_that_hangs_up_is_no_error_and_what_is_in_work_is_known() -> None:
    service = Slow()
    api = build_api(service, SETTINGS)
    gone, cancelled = converse(api, RAW), converse(api, RAW)
    await service.started.wait()
    await asyncio.sleep(0)
    assert api.state.traffic.in_work == 2
    gone.hang_up()
    cancelled.task.cancel()
    await asyncio.wait({gone.task, cancelled.task})
    assert counted(api, MODEL) == {"requests": 2, "hung_up": 2}
    assert api.state.traffic.in_work == 0
