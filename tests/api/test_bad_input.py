"""Whatever is sent, the answer is an error that names what is wrong, never a 500."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from serve_app.api.room import SMALL
from serve_app.api.routes import build_api
from serve_app.settings import HttpSettings
from tests.api.conftest import SETTINGS
from tests.api.word_overlap import MODEL, WordOverlap
from tests.bad_requests import BadRequest, bad_requests

JSON = {"content-type": "application/json"}
GOOD: dict[str, Any] = {"model": MODEL, "query": "red fish", "documents": ["red fish", "blue fish"]}


def with_(**fields: Any) -> dict[str, Any]:
    return GOOD | fields


def without(field: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key != field}


def spelled(fields: str) -> str:
    """A good body with fields that json.dumps cannot write."""
    return json.dumps(GOOD)[:-1] + f", {fields}}}"


def error_of(response: httpx.Response) -> dict[str, Any]:
    """The error, after a look at the envelope that every error has."""
    body = response.json()
    assert set(body) == {"error", "detail"}
    error: dict[str, Any] = body["error"]
    assert body["detail"] == error["message"]
    assert set(error) == {"message", "type", "code", "param", "retry_after_s"}
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
    assert "Traceback" not in error["message"]
    assert "\n" not in error["message"]
    return error


FIELDS: list[tuple[Any, str | None]] = [
    (without("query"), "query"),
    (without("documents"), "documents"),
    (with_(model=3), "model"),
    (with_(query=["a"]), "query"),
    (with_(query=None), "query"),
    (with_(query=""), "query"),
    (with_(query=" \t\n\u00a0\u2003"), "query"),
    (with_(documents=[]), "documents"),
    (with_(documents="red fish"), "documents"),
    (with_(documents={"0": "red fish"}), "documents"),
    (with_(documents=["a"] * 6), "documents"),
    (with_(documents=["a", None]), "documents[1]"),
    (with_(documents=["a", "b", 7]), "documents[2]"),
    (with_(documents=[["a"]]), "documents[0]"),
    (with_(documents=["a", {}]), "documents[1].text"),
    (with_(documents=["a", {"text": None}]), "documents[1].text"),
    (with_(documents=["a", {"text": 7}]), "documents[1].text"),
    (with_(documents=["a", {"title": "b"}]), "documents[1].text"),
    (with_(documents=[{"title": 7}], rank_fields=["title"]), "documents[0].title"),
    (with_(documents=[{"a\nb": 7}], rank_fields=["a\nb"]), "documents[0].'a\\nb'"),
    (with_(top_n=-1), "top_n"),
    (with_(top_n="3.5"), "top_n"),
    (with_(top_n="abc"), "top_n"),
    (with_(top_n=""), "top_n"),
    (with_(top_n="9" * 5_000), "top_n"),
    (with_(top_n=1.5), "top_n"),
    (with_(top_n=True), "top_n"),
    (with_(top_n=-(10**4_000)), "top_n"),
    (spelled('"top_n": NaN'), "top_n"),
    (spelled('"top_n": 1e400'), "top_n"),
    (with_(return_documents="yes"), "return_documents"),
    (with_(return_documents=2), "return_documents"),
    (with_(raw_scores=[]), "raw_scores"),
    (with_(score_threshold="high"), "score_threshold"),
    (with_(score_threshold=True), "score_threshold"),
    (with_(score_threshold="1e999"), "score_threshold"),
    (with_(top_n=1, top_k=2), "top_k"),
    (with_(truncate=False, truncation="true"), "truncation"),
    (with_(max_chunks_per_doc=-1), "max_chunks_per_doc"),
    (with_(instruct=3), "instruct"),
    (with_(instruction=["find fish"]), "instruction"),
    (with_(task="text-matching"), "task"),
    (with_(instruct="find fish", instruction="find birds"), "instruct"),
    (with_(chat_template_kwargs="find fish"), "chat_template_kwargs"),
    (with_(chat_template_kwargs={"instruction": 3}), "chat_template_kwargs.instruction"),
    (with_(chat_template_kwargs={"enable_thinking": True}), "chat_template_kwargs.enable_thinking"),
    (with_(chat_template="{{ messages }}"), "chat_template"),
    (with_(truncate="END"), "truncate"),
    (with_(rank_fields="text"), "rank_fields"),
    (with_(rank_fields=["text", 1]), "rank_fields[1]"),
    (with_(max_tokens_per_query=-1), "max_tokens_per_query"),
    (with_(max_tokens_per_doc="512 tokens"), "max_tokens_per_doc"),
    (spelled(f'"top_n": {"9" * 5_000}'), "top_n"),
    (spelled(f'"top_n": 3, "note": {"9" * 5_000}'), None),
    (spelled(f'"note": {"9" * 5_000}'), None),
    (spelled(f'"note": {"[" * 20_000}'), None),
    (with_(documents=[{"text": "a", "deep": json.loads("[" * 900 + "]" * 900)}]), None),
    (None, None),
    ([], None),
    (3, None),
    ("red fish", None),
    ([GOOD], None),
]


def short(value: object) -> str | None:
    return str(value)[:60] if not isinstance(value, str) else None


@pytest.mark.parametrize(("body", "param"), FIELDS, ids=short)
async def test_a_wrong_body_is_refused_naming_the_field(
    client: httpx.AsyncClient, body: Any, param: str | None
) -> None:
    content = body if isinstance(body, str) and body.startswith("{") else json.dumps(body)
    response = await client.post("/v1/rerank", content=content, headers=JSON)
    error = error_of(response)
    assert (response.status_code, error["code"], error["param"]) == (400, "invalid_request", param)
    assert (param or "body") in error["message"]
    assert len(error["message"]) < 300


@pytest.mark.parametrize(
    "bad", bad_requests(SETTINGS.http.max_documents, SETTINGS.http.max_body_bytes), ids=lambda bad: bad.name
)
async def test_what_a_broken_client_sends_is_refused(client: httpx.AsyncClient, bad: BadRequest) -> None:
    body = bad.body.replace(b"MODEL", MODEL.encode())
    response = await client.post("/v1/rerank", content=body, headers=JSON | bad.headers)
    error = error_of(response)
    assert (response.status_code, error["param"]) == (bad.status, bad.param)
    assert len(error["message"]) < 300


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"query=red+fish",
        b"{",
        b'{"model": ',
        b"[" * 20_000,
        b'{"a":' * 9_000,
        b"\xff\xfe{\x00",
        b'{"model": "\xff"}',
        json.dumps(GOOD).encode() + b" x",
        json.dumps(GOOD).encode("utf-16"),
    ],
    ids=lambda content: repr(content[:12]),
)
async def test_what_is_no_json_is_refused(client: httpx.AsyncClient, content: bytes) -> None:
    response = await client.post("/v1/rerank", content=content, headers=JSON)
    assert (response.status_code, error_of(response)["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e400"])
async def test_no_answer_has_a_number_that_json_lacks(client: httpx.AsyncClient, literal: str) -> None:
    body = spelled(f'"documents": [{{"text": "a", "n": {literal}}}], "return_documents": true')
    response = await client.post("/v1/rerank", content=body, headers=JSON)
    assert response.status_code in {200, 400}
    assert not any(word in response.text for word in ('"n":NaN', '"n":Infinity', '"n":-Infinity'))


@pytest.mark.parametrize(
    "media_type", ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "json", ""]
)
async def test_another_content_type_is_refused(client: httpx.AsyncClient, media_type: str) -> None:
    response = await client.post("/v1/rerank", content=json.dumps(GOOD), headers={"content-type": media_type})
    assert (response.status_code, error_of(response)["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "media_type", ["application/json", "Application/JSON; charset=utf-8", "application/vnd.rerank+json"]
)
async def test_json_is_taken_by_any_of_its_names(client: httpx.AsyncClient, media_type: str) -> None:
    response = await client.post("/v1/rerank", content=json.dumps(GOOD), headers={"content-type": media_type})
    assert response.status_code == 200


async def test_a_body_that_says_it_is_too_large_is_refused_unread(client: httpx.AsyncClient) -> None:
    async def unread() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    response = await client.post("/v1/rerank", content=unread(), headers=JSON | {"content-length": "50001"})
    assert (response.status_code, error_of(response)["code"]) == (413, "payload_too_large")


async def test_zeros_before_a_length_count_for_nothing(client: httpx.AsyncClient) -> None:
    length = "0" * 5_000 + str(len(json.dumps(GOOD)))
    response = await client.post("/v1/rerank", content=json.dumps(GOOD), headers=JSON | {"content-length": length})
    assert response.status_code == 200


async def test_who_announces_much_and_sends_nothing_keeps_nobody_out(service: WordOverlap) -> None:
    most = 2 * SMALL
    http = HttpSettings(max_body_bytes=most, max_bytes_in_work=4 * most)
    transport = httpx.ASGITransport(build_api(service, SETTINGS.model_copy(update={"http": http})))
    hung_up = asyncio.Event()

    async def nothing() -> AsyncIterator[bytes]:
        await hung_up.wait()
        yield b""

    async with httpx.AsyncClient(transport=transport, base_url="http://rayrank") as client:
        headers = JSON | {"content-length": str(most)}
        idle = [asyncio.create_task(client.post("/v1/rerank", content=nothing(), headers=headers)) for _ in range(4)]
        await asyncio.sleep(0.1)
        response = await client.post("/v1/rerank", json=GOOD | {"documents": ["word " * (SMALL // 4)]})
        assert response.status_code == 200
        hung_up.set()
        await asyncio.gather(*idle)


async def test_a_body_that_grows_too_large_is_refused_before_its_end(client: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 10_000_000:
            sent += 10_000
            yield b" " * 10_000

    response = await client.post("/v1/rerank", content=endless(), headers=JSON)
    assert (response.status_code, error_of(response)["code"]) == (413, "payload_too_large")
    assert sent == 60_000


async def test_a_body_of_exactly_the_limit_is_taken(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/rerank", content=json.dumps(GOOD).ljust(50_000), headers=JSON)
    assert response.status_code == 200


async def test_of_a_field_that_comes_twice_the_last_counts(client: httpx.AsyncClient, service: WordOverlap) -> None:
    response = await client.post("/v1/rerank", content=spelled('"query": "blue"'), headers=JSON)
    assert response.status_code == 200
    assert service.requests[0].query == "blue"


@pytest.mark.parametrize("given", ["0", "-1", "nan", "inf", "1e400", "soon", "", "5s", "0x10"])
async def test_a_timeout_that_is_no_time_is_refused(client: httpx.AsyncClient, given: str) -> None:
    response = await client.post("/v1/rerank", json=GOOD, headers={"x-request-timeout-seconds": given})
    error = error_of(response)
    assert (response.status_code, error["param"]) == (400, "x-request-timeout-seconds")


async def test_an_unknown_model_is_answered_with_those_served(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/rerank", json=with_(model="org/other\n"))
    error = error_of(response)
    assert (response.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert MODEL in error["message"]


async def test_an_unknown_path_is_not_found(client: httpx.AsyncClient) -> None:
    response = await client.get("/v3/rerank")
    assert (response.status_code, error_of(response)["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/v1/rerank", "POST"), ("PUT", "/v1/rerank", "POST"), ("POST", "/v1/models", "GET, HEAD")],
)
async def test_a_wrong_method_is_told_the_right_one(
    client: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    response = await client.request(method, path)
    assert (response.status_code, error_of(response)["code"]) == (405, "method_not_allowed")
    assert response.headers["allow"] == allowed


async def test_what_breaks_inside_stays_inside(client: httpx.AsyncClient, service: WordOverlap) -> None:
    service.error = RuntimeError("secret")
    response = await client.post("/v1/rerank", json=GOOD, headers={"x-request-id": "mine"})
    error = error_of(response)
    assert (response.status_code, error["code"]) == (500, "internal")
    assert "secret" not in response.text
    assert "mine" in error["message"]
