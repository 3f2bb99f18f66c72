"""The API over real HTTP, on a real cluster."""

import asyncio
import json
import socket
from operator import itemgetter
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest

from loadtest.server.running import Server
from serve_app.settings import Settings
from tests.bad_requests import BadRequest, bad_requests, some_of_each_kind
from tests.engine.reference import Reference
from tests.engine.test_invariance import assert_same_scores
from tests.engine.test_parity import random_texts
from tests.tiny_models import TinyModel

HTTP = Settings().http
JSON = {"content-type": "application/json"}


@pytest.fixture
def model(served_model: TinyModel) -> str:
    return served_model.directory.name


def rerank(server: Server, **body: object) -> httpx.Response:
    return httpx.post(f"{server.url}/v1/rerank", json=body, headers=server.headers, timeout=60)


def head(server: Server, size: int) -> bytes:
    """The head of a request with a body of that many bytes."""
    headers = {"Host": "x", "Content-Type": "application/json", "Content-Length": f"{size}"} | server.headers
    lines = ["POST /v1/rerank HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def by_index(results: list[dict[str, float]]) -> np.ndarray:
    return np.array([result["relevance_score"] for result in sorted(results, key=itemgetter("index"))])


def test_served_scores_are_those_of_transformers(server: Server, served_model: TinyModel, model: str) -> None:
    documents = random_texts(60, seed=11)
    reference = Reference(served_model, 128)
    answer = rerank(server, model=model, query="capital of France", documents=documents, raw_scores=True).json()
    found = {result["index"]: result["relevance_score"] for result in answer["results"]}
    for index, document in enumerate(documents):
        assert found[index] == pytest.approx(reference.logit("capital of France", document), abs=1e-4)
    scores = [result["relevance_score"] for result in answer["results"]]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(  # tests/api has all of them
    "bad", some_of_each_kind(bad_requests(HTTP.max_documents, HTTP.max_body_bytes)), ids=lambda bad: bad.name
)
def test_a_bad_request_is_refused_with_the_field_at_fault(server: Server, model: str, bad: BadRequest) -> None:
    body = bad.body.replace(b"MODEL", model.encode())
    answer = httpx.post(
        f"{server.url}/v1/rerank", content=body, headers=server.headers | JSON | bad.headers, timeout=60
    )
    assert answer.status_code == bad.status
    error = answer.json()["error"]
    assert error["param"] == bad.param
    assert len(error["message"]) < 300
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing/here", 404, "not_found"),
        ("GET", "/v1/models/no/such", 404, "model_not_found"),
        ("GET", "/v1/rerank", 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
    ],
)
def test_what_the_router_refuses_has_the_error_envelope(
    server: Server, method: str, path: str, status: int, code: str
) -> None:
    answer = httpx.request(method, server.url + path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_a_fifty_mebibyte_body_is_refused(server: Server) -> None:
    # Sent by hand: a client may find the connection closed while it still sends.
    with socket.create_connection((urlsplit(server.url).hostname, urlsplit(server.url).port), timeout=30) as raw:
        size = 50 * 2**20
        raw.sendall(head(server, size))
        assert raw.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_body_cut_off_half_way_costs_nobody_else_anything(server: Server, model: str) -> None:
    for _ in range(5):
        with socket.create_connection((urlsplit(server.url).hostname, urlsplit(server.url).port), timeout=30) as raw:
            raw.sendall(head(server, 500) + b'{"model": "')
    assert rerank(server, model=model, query="capital", documents=["Paris"]).status_code == 200


def test_a_request_that_runs_out_of_time_is_answered_in_the_envelope(server: Server, model: str) -> None:
    body = {"model": model, "query": "capital", "documents": [f"{i} word" * 60 for i in range(5_000)]}
    answer = httpx.post(
        f"{server.url}/v1/rerank", json=body, headers=server.headers | {"x-request-timeout-seconds": "0.05"}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (408, "deadline_exceeded")


@pytest.mark.parametrize(
    "documents",
    [
        ["one"],
        [""],
        ["word " * 24_000],
        ["a\x00b"],
        ["مرحبا بالعالم", "🍌" * 40, "\u202eright to left"],
        ["the same"] * 10_000,
    ],
    ids=["one", "empty", "120,000 characters", "NUL", "RTL and emoji", "10,000 alike"],
)
def test_odd_but_good_documents_are_scored(server: Server, model: str, documents: list[str]) -> None:
    answer = rerank(server, model=model, query="capital", documents=documents)
    assert answer.status_code == 200
    assert len(answer.json()["results"]) == len(documents)


def test_ten_thousand_identical_documents_are_scored_once(server: Server, model: str) -> None:
    one = rerank(server, model=model, query="capital", documents=["the same"]).json()
    many = rerank(server, model=model, query="capital", documents=["the same"] * 10_000).json()
    assert many["usage"]["prompt_tokens"] == one["usage"]["prompt_tokens"]
    assert many["usage"]["billed_documents"] == 10_000
    (score,) = {result["relevance_score"] for result in many["results"]}
    # Each replica takes the products that it measured to be faster; their last bits differ.
    assert score == pytest.approx(one["results"][0]["relevance_score"], abs=1e-6)


def test_a_lone_surrogate_is_no_server_error(server: Server, model: str) -> None:
    body = json.dumps({"model": model, "query": "capital", "documents": ["\ud800"]})
    assert httpx.post(f"{server.url}/v1/rerank", content=body, headers=server.headers | JSON).status_code in {200, 400}


async def test_ten_clients_at_once_get_what_each_would_get_alone(server: Server, model: str) -> None:
    async with httpx.AsyncClient(headers=server.headers, timeout=60) as client:

        async def ask(seed: int) -> list[dict[str, float]]:
            body = {"model": model, "query": f"capital {seed}", "documents": random_texts(100, seed)}
            return (await client.post(f"{server.url}/v1/rerank", json=body)).json()["results"]

        together = await asyncio.gather(*(ask(seed) for seed in range(10)))
        for seed, found in enumerate(together):
            alone = await ask(seed)
            assert_same_scores(by_index(found), by_index(alone))


def test_a_request_id_comes_back_once(server: Server) -> None:
    given = httpx.get(f"{server.url}/health", headers={"X-Request-Id": "abc-123"})
    assert given.headers.get_list("x-request-id") == ["abc-123"]
    made = httpx.get(f"{server.url}/health", headers={"X-Request-Id": "not sane" * 50})
    (request_id,) = made.headers.get_list("x-request-id")
    assert "not sane" not in request_id


def test_the_documentation_is_served_without_a_network(server: Server) -> None:
    page = httpx.get(f"{server.url}/docs").text
    assert "https://" not in page
    specification = httpx.get(f"{server.url}/v1/openapi.json").json()
    assert "/v1/rerank" in specification["paths"]
