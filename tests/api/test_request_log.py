"""One line in the log for each request, whatever became of it."""

import logging
from typing import Any

import httpx
import pytest

from serve_app.domain.errors import ServiceError
from tests.api.word_overlap import MODEL, WordOverlap

BODY: dict[str, Any] = {"model": MODEL, "query": "red fish", "documents": ["red fish", "blue"]}
FIELDS = ("endpoint", "status", "code", "tokens", "documents", "tenant")


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "rayrank.requests")
    return caplog


def told(log: pytest.LogCaptureFixture) -> list[tuple[Any, ...]]:
    return [tuple(line.__dict__[field] for field in FIELDS) for line in log.records if line.name == "rayrank.requests"]


async def test_it_tells_what_was_asked_and_what_it_cost(
    client: httpx.AsyncClient, log: pytest.LogCaptureFixture
) -> None:
    await client.post("/v1/rerank", json=BODY, headers={"x-request-id": "mine"})
    assert told(log) == [("rerank", 200, "", 14, 2, "127.0.0.1")]
    assert log.records[0].__dict__["request_id"] == "mine"
    assert 0 < log.records[0].__dict__["seconds"] < 5
    assert log.records[0].getMessage() == "request"


async def test_refusals_have_one_too(
    client: httpx.AsyncClient, service: WordOverlap, log: pytest.LogCaptureFixture
) -> None:
    await client.post("/v1/rerank", json=BODY | {"query": ""})
    await client.post("/v1/rerank", json=BODY, headers={"x-tier": "gold"})
    await client.post("/v1/rerank", content=b"x", headers={"content-type": "text/plain"})
    await client.post("/nowhere", json=BODY)
    await client.put("/v1/rerank", json=BODY)
    service.error = ServiceError("overloaded", "busy")
    await client.post("/rerank", json={"query": "red", "documents": ["red"]})
    assert [line[:3] for line in told(log)] == [
        ("rerank", 400, "invalid_request"),
        ("rerank", 400, "invalid_request"),
        ("rerank", 415, "unsupported_media_type"),
        ("", 404, "not_found"),
        ("", 405, "method_not_allowed"),
        ("rerank_vllm", 429, "overloaded"),
    ]


async def test_what_breaks_has_one_too(
    client: httpx.AsyncClient, service: WordOverlap, log: pytest.LogCaptureFixture
) -> None:
    service.error = RuntimeError("broken")
    await client.post("/v1/rerank", json=BODY)
    assert told(log) == [("rerank", 500, "internal", 0, 0, "127.0.0.1")]
