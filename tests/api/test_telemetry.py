"""What the API tells of requests to whoever wants to know, and `GET /metrics`."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from serve_app.api.exchange import Exchange
from serve_app.api.routes import build_api
from serve_app.api.telemetry import NO_TELEMETRY, Telemetry
from serve_app.domain.answer import Stages
from serve_app.domain.errors import ServiceError
from serve_app.settings import Settings, TelemetrySettings
from tests.api.conftest import WITH_ACCOUNTS
from tests.api.in_memory_accounts import ADMIN_KEY, KEY, InMemoryAccounts
from tests.api.word_overlap import MODEL, WordOverlap

BODY: dict[str, Any] = {"model": MODEL, "query": "red fish", "documents": ["red fish", "blue"]}
FIGURES = b"ray_rayrank_in_work 1.0\n"


@asynccontextmanager
async def client_of(
    telemetry: Telemetry, settings: Settings, accounts: InMemoryAccounts | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build_api(WordOverlap(), settings, accounts, telemetry))
    async with httpx.AsyncClient(transport=transport, base_url="http://rayrank") as client:
        yield client


async def figures() -> bytes:
    return FIGURES


async def test_metrics_are_text_for_administrators() -> None:
    async with client_of(Telemetry(metrics=figures), WITH_ACCOUNTS, InMemoryAccounts()) as client:
        statuses = [
            (await client.get("/metrics", headers=headers)).status_code
            for headers in ({}, {"authorization": f"Bearer {KEY}"})
        ]
        told = await client.get("/metrics", headers={"authorization": f"Bearer {ADMIN_KEY}"})
    assert statuses == [401, 403]
    assert (told.status_code, told.content) == (200, FIGURES)
    assert told.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert told.headers["cache-control"] == "no-store"


async def test_without_accounts_whoever_reaches_it_reads_metrics() -> None:
    async with client_of(Telemetry(metrics=figures), Settings()) as client:
        assert (await client.get("/metrics")).content == FIGURES


async def test_figures_that_cannot_be_had_are_an_error_in_the_envelope() -> None:
    async def silent() -> bytes:
        raise ServiceError("unavailable", "the agent does not answer", retry_after_s=10)

    async with client_of(Telemetry(metrics=silent), Settings()) as client:
        refused = await client.get("/metrics")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
    async with client_of(NO_TELEMETRY, Settings()) as client:
        assert (await client.get("/metrics")).status_code == 404


async def test_each_request_is_told_once_with_who_asked_and_what_became_of_it() -> None:
    told: list[tuple[str, int, str, str]] = []
    counted: list[tuple[str, str, int, bool]] = []

    def over(exchange: Exchange, seconds: float) -> None:
        assert seconds > 0
        told.append((exchange.endpoint, exchange.status, exchange.code, exchange.who))

    def count(model: str, tier: str, tokens: int, documents: int, stages: Stages | None) -> None:
        counted.append((model, tier, documents, stages is not None))

    key = {"authorization": f"Bearer {KEY}"}
    async with client_of(Telemetry(over=over, counted=count), WITH_ACCOUNTS, InMemoryAccounts()) as client:
        await client.post("/v1/rerank", json=BODY, headers=key | {"x-tier": "batch"})
        await client.post("/v1/rerank", json=BODY | {"query": ""}, headers=key)
        await client.post("/v1/rerank", json=BODY)
        await client.get("/v1/models")
        await client.get("/nowhere")
    assert told == [
        ("rerank", 200, "", "account"),
        ("rerank", 400, "invalid_request", "account"),
        ("rerank", 401, "missing_api_key", ""),
        ("models", 200, "", "public"),
        ("", 404, "not_found", ""),
    ]
    assert counted[0] == (MODEL, "batch", 2, True)
    assert [documents for _, _, documents, _ in counted] == [2, 0, 0]


@pytest.mark.parametrize("log_texts", [False, True])
async def test_a_body_is_logged_only_where_the_settings_say_so(
    caplog: pytest.LogCaptureFixture, *, log_texts: bool
) -> None:
    caplog.set_level(logging.DEBUG, "rayrank")
    settings = Settings(telemetry=TelemetrySettings(log_texts=log_texts))
    async with client_of(NO_TELEMETRY, settings) as client:
        await client.post("/v1/rerank", json=BODY)
        await client.post("/v1/rerank", json=BODY | {"documents": [{"red fish": 1}]})
    lines = [str(record.__dict__) for record in caplog.records if record.name.startswith("rayrank")]
    assert len(lines) == 2
    assert [("red fish" in line) for line in lines] == [log_texts, log_texts]
