"""`GET /v1/status`: who may see it, and that its figures are those of the traffic and the replicas."""

from typing import Any

import httpx
import pytest

from serve_app import __version__
from serve_app.api.dialects.status import status_of
from serve_app.api.traffic import Traffic
from serve_app.settings import GatewaySettings, Settings
from tests.api.in_memory_accounts import ADMIN_KEY, KEY
from tests.api.word_overlap import MODEL, WordOverlap

BODY: dict[str, Any] = {"model": MODEL, "query": "red fish", "documents": ["red fish", "blue"]}
NOTHING = {"p50": None, "p95": None, "p99": None}


async def test_it_is_for_administrators_alone(shop: httpx.AsyncClient) -> None:
    refused = await shop.get("/v1/status", headers={"authorization": f"Bearer {KEY}"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
    assert (await shop.get("/v1/status")).status_code == 401
    told = await shop.get("/v1/status", headers={"authorization": f"Bearer {ADMIN_KEY}"})
    assert (told.status_code, told.headers["cache-control"]) == (200, "no-store")


async def test_without_accounts_whoever_reaches_it_sees_what_was_asked(client: httpx.AsyncClient) -> None:
    await client.post("/v1/rerank", json=BODY)
    await client.post("/v1/rerank", json=BODY | {"query": ""})
    status = (await client.get("/v1/status")).json()
    (model,) = status["models"]
    assert status["in_work"] == 0
    assert (status["last_hour"]["requests"], status["last_hour"]["client_errors"]) == (2, 1)
    assert (model["last_hour"]["requests"], model["last_hour"]["documents"]) == (1, 2)
    assert 0 < model["last_hour"]["latency_s"]["p50"] < 5
    assert sum(minute["documents"] for minute in model["minutes"]) == 2


def test_its_figures_are_the_traffics_and_the_replicas() -> None:
    clock = [6_030.0]
    traffic = Traffic(lambda: clock[0])
    traffic.record(MODEL, 200, 0.1, 700, 60)
    clock[0] = 6_065.0
    traffic.record(MODEL, 200, 1.0, 700, 50)
    service = WordOverlap()
    service.precision, service.queue_s, service.documents_per_s = "int8", 1.23456, 98.7654
    settings = Settings(gateway=GatewaySettings(max_replicas=3))
    body = status_of(service, traffic, settings, 6_070.0).model_dump()
    (model,) = body.pop("models")
    minutes = model.pop("minutes")
    hour = {"requests": 2, "documents": 110, "tokens": 1_400}
    hour |= dict.fromkeys(("client_errors", "refused", "server_errors", "hung_up"), 0)
    latency = {
        "p50": pytest.approx(0.1, rel=0.05),
        "p95": pytest.approx(1, rel=0.05),
        "p99": pytest.approx(1, rel=0.05),
    }
    hour["latency_s"] = latency
    assert body == {"version": __version__, "gateways": 3, "started": 6_030, "in_work": 0, "last_hour": hour}
    assert model == {
        "id": MODEL,
        "status": "ready",
        "failure": None,
        "replicas": 1,
        "queue_s": 1.235,
        "documents_per_s": 98.77,
        "precision": "int8",
        "last_hour": hour,
    }
    assert len(minutes) == 60
    assert [minute["documents_per_s"] for minute in minutes[-3:]] == [None, 60 / 30, 50 / 10]
    assert minutes[-2]["latency_s"] == {"p50": latency["p50"], "p95": latency["p50"]}
    assert minutes[0] == {
        "start": 6_060 - 59 * 60,
        "requests": 0,
        "documents": 0,
        "documents_per_s": None,
        "latency_s": {"p50": None, "p95": None},
    }


def test_a_model_that_nobody_asks_has_no_latency() -> None:
    status = status_of(WordOverlap(), Traffic(), Settings(), Traffic().started)
    assert status.models[0].last_hour.latency_s.model_dump() == NOTHING
