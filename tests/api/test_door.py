"""What happens to a request between its first byte and the answer's, in which order, and what a hang-up leaves."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from serve_app.api.dialects import native
from serve_app.api.routes import build_api
from serve_app.domain.errors import ServiceError
from tests.api.asgi import converse
from tests.api.conftest import SETTINGS
from tests.api.uvicorn_server import serving
from tests.api.word_overlap import MODEL, WordOverlap

BODY: dict[str, Any] = {"model": MODEL, "query": "red fish", "documents": ["red fish", "blue"]}
RAW = json.dumps(BODY).encode()
TIMELY_S = 0.1


class Slow(WordOverlap):
    """Works until it is told to be done."""

    def __init__(self) -> None:
        super().__init__()
        self.started, self.done, self.left = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work(self) -> None:
        self.started.set()
        try:
            await self.done.wait()
        finally:
            self.left.set()


@pytest.fixture
def api(service: WordOverlap) -> FastAPI:
    return build_api(service, SETTINGS)


async def test_an_answer_is_rendered_then_charged_then_sent(
    api: FastAPI, service: WordOverlap, monkeypatch: pytest.MonkeyPatch
) -> None:
    render = native.RERANK.render

    def rendering(*args: Any) -> Any:
        service.events.append("rendered")
        return render(*args)

    monkeypatch.setitem(native.RERANK.__dict__, "render", rendering)
    conversation = converse(api, RAW, on_send=lambda: service.events.append("sent"))
    await conversation.task
    assert service.events == ["admitted", "answered", "rendered", "captured", "left", "sent", "sent"]


@pytest.mark.parametrize(
    ("error", "status"), [(ServiceError("overloaded", "busy", retry_after_s=1), 429), (RuntimeError("broken"), 500)]
)
async def test_an_error_releases_and_charges_nothing(
    api: FastAPI, service: WordOverlap, error: Exception, status: int
) -> None:
    service.error = error
    conversation = converse(api, RAW)
    await conversation.task
    assert conversation.status == status
    assert service.events == ["admitted", "left"]


async def test_an_answer_that_cannot_be_charged_is_not_given(client: httpx.AsyncClient, service: WordOverlap) -> None:
    service.capture_error = ServiceError("unavailable", "the ledger is away", retry_after_s=2)
    response = await client.post("/v1/rerank", json=BODY)
    assert (response.status_code, response.json()["detail"]) == (503, "the ledger is away")
    assert "results" not in response.text
    assert service.events == ["admitted", "answered", "left"]


async def test_a_client_that_hangs_up_ends_the_work_and_hears_nothing(caplog: pytest.LogCaptureFixture) -> None:
    service = Slow()
    with caplog.at_level(logging.INFO, "rayrank.requests"):
        conversation = converse(build_api(service, SETTINGS), RAW)
        await service.started.wait()
        conversation.hang_up()
        async with asyncio.timeout(TIMELY_S):
            await conversation.task
    assert service.events == ["admitted", "left"]
    assert conversation.sent == []
    assert [record.__dict__["status"] for record in caplog.records] == [499]


async def test_a_client_that_hangs_up_while_it_waits_to_be_admitted_is_out_of_line() -> None:
    waiting, out = asyncio.Event(), asyncio.Event()

    class Full(WordOverlap):
        @asynccontextmanager
        async def job(self, request: Any, terms: Any) -> AsyncIterator[Any]:
            waiting.set()
            try:
                await asyncio.Event().wait()
            finally:
                out.set()
            yield

    conversation = converse(build_api(Full(), SETTINGS), RAW)
    await waiting.wait()
    conversation.hang_up()
    async with asyncio.timeout(TIMELY_S):
        await conversation.task
    assert out.is_set()
    assert conversation.sent == []


async def test_a_client_that_hangs_up_in_its_body_hears_nothing() -> None:
    service = WordOverlap()
    conversation = converse(build_api(service, SETTINGS), None)
    conversation.hang_up()
    await conversation.task
    assert (conversation.sent, service.events) == ([], [])


async def test_a_cancellation_from_elsewhere_is_not_taken_for_a_hang_up() -> None:
    service = Slow()
    conversation = converse(build_api(service, SETTINGS), RAW)
    await service.started.wait()
    conversation.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await conversation.task
    assert service.events == ["admitted", "left"]


async def test_a_hang_up_after_the_work_changes_nothing(service: WordOverlap) -> None:
    def hang_up() -> None:
        conversation.hang_up()

    conversation = converse(build_api(service, SETTINGS), RAW, on_send=hang_up)
    await conversation.task
    assert conversation.status == 200
    assert service.events[-2:] == ["captured", "left"]


async def test_over_a_real_connection_a_hang_up_ends_the_work_within_milliseconds() -> None:
    service = Slow()
    async with serving(build_api(service, SETTINGS)) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"POST /v1/rerank HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(RAW)}"
        writer.write(f"{head}\r\n\r\n".encode() + RAW)
        await asyncio.wait_for(service.started.wait(), 5)
        began = time.perf_counter()
        writer.close()
        await asyncio.wait_for(service.left.wait(), 5)
        assert time.perf_counter() - began < TIMELY_S
        service.started.clear()
        service.done.set()
        async with httpx.AsyncClient() as client:
            answers = [await client.post(f"http://127.0.0.1:{port}/v1/rerank", json=BODY) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert service.events.count("admitted") == service.events.count("left") == 4
    assert service.events.count("captured") == 3


@pytest.mark.parametrize(
    ("path", "fields"),
    [("/v1/rerank", {"error", "detail"}), ("/rerank", {"error", "error_type"}), ("/v2/rerank", {"id", "message"})],
)
async def test_a_body_that_comes_too_slowly_runs_out_of_the_clients_own_time(
    api: FastAPI, path: str, fields: set[str]
) -> None:
    conversation = converse(api, None, path=path, headers={"x-request-timeout-seconds": "0.05"})
    async with asyncio.timeout(5):
        await conversation.task
    assert conversation.status == 408
    body = json.loads(conversation.sent[1]["body"])
    assert set(body) == fields
    assert "0.05 s" in conversation.sent[1]["body"].decode()


async def test_the_terms_tell_when_a_request_came_and_its_id(client: httpx.AsyncClient, service: WordOverlap) -> None:
    before = asyncio.get_running_loop().time()
    await client.post("/v1/rerank", json=BODY, headers={"x-request-id": "mine"})
    (terms,) = service.terms
    assert terms.request_id == "mine"
    assert terms.began is not None
    assert before <= terms.began <= asyncio.get_running_loop().time()


@pytest.mark.parametrize("path", ["/v1/rerank/", "/v1/rerank//"])
async def test_a_slash_at_the_end_changes_nothing(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.post(path, json=BODY)).status_code == 200
    assert (await client.get("/v1/models/")).status_code == 200
    assert (await client.get(f"/v1/models/{MODEL}/")).json()["id"] == MODEL
    assert (await client.post("/rerank/", json={"query": ""})).json()["error_type"] == "Validation"
