"""Whatever comes over HTTP is answered, or refused in the API's form: never a 500, never plain text."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from serve_app.api.routes import build_api
from serve_app.api.surface import ENDPOINTS
from tests.api.conftest import WITH_ACCOUNTS
from tests.api.in_memory_accounts import ADMIN_KEY, InMemoryAccounts
from tests.api.word_overlap import WordOverlap
from tests.fuzz.mutations import FUZZED, as_json, mutated, spoilt

QUERY, DOCUMENTS = "capital of France", ["Paris is the capital.", "Bananas are yellow."]
SOUND: dict[str, Any] = {
    "/v1/rerank": {"model": "overlap", "query": QUERY, "documents": DOCUMENTS, "top_n": 1, "return_documents": True},
    "/v2/rerank": {"model": "overlap", "query": QUERY, "documents": DOCUMENTS, "max_tokens_per_doc": 100},
    "/rerank": {"query": QUERY, "texts": DOCUMENTS, "raw_scores": True, "return_text": True, "truncate": True},
    "/v1/reranking": {"model": "overlap", "query": {"text": QUERY}, "passages": [{"text": text} for text in DOCUMENTS]},
    "/score": {"model": "overlap", "text_1": QUERY, "text_2": DOCUMENTS},
    "/v1/embeddings": {"model": "overlap", "input": DOCUMENTS, "encoding_format": "base64", "dimensions": 3},
    "/embed": {"inputs": DOCUMENTS, "normalize": True, "prompt_name": None},
    "/tokenize": {"inputs": DOCUMENTS, "add_special_tokens": True},
    "/v1/keys": {
        "name": "nightly",
        "scopes": ["rerank"],
        "cap_usd": "0.50",
        "cap_period": "day",
        "expires_in_days": 30,
    },
    "/v1/credits": {"account": "ada@example.org", "usd": "1.50", "reference": "invoice 1", "note": ""},
    "/v1/accounts": {"email": "ada@example.org", "invite": None},
    "/v1/webhooks/stripe": {"id": "evt_1", "type": "checkout.session.completed", "data": {"object": {"id": "cs_1"}}},
}
HEADERS = (
    "Prefer", "X-Tier", "Idempotency-Key", "X-Request-Timeout-Seconds", "X-Request-Id", "Accept", "Accept-Encoding",
    "Content-Type", "Content-Length", "Content-Encoding", "Authorization", "X-Forwarded-For", "X-Forwarded-Email",
    "traceparent", "tracestate", "Origin", "Cookie", "If-None-Match", "X-Demo", "Stripe-Signature", "Range", "Expect",
)  # fmt: skip
ODD_VALUES = ["", "0", "-1", "nan", "wait=1e9", "batch", "Bearer ", "Bearer rr_x", "gzip", "a" * 5_000]
LATIN = st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f")
VALUES = st.sampled_from(ODD_VALUES) | st.text(LATIN, max_size=40)


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return build_api(WordOverlap(), WITH_ACCOUNTS, InMemoryAccounts(events=[]))


@pytest.fixture(scope="module")
def ask(app: FastAPI) -> Iterator[Callable[..., httpx.Response]]:
    """Sends one request; the application's exceptions are the test's."""
    with asyncio.Runner() as runner:
        transport = httpx.ASGITransport(app)

        async def send(path: str, body: bytes, headers: dict[str, bytes]) -> httpx.Response:
            async with httpx.AsyncClient(transport=transport, base_url="http://rayrank") as client:
                return await client.post(path, content=body, headers={"Content-Type": "application/json", **headers})

        yield lambda path, body, headers: runner.run(send(path, body, headers))


def _check(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    assert answer.headers["x-request-id"]
    assert answer.headers["content-type"].startswith("application/json")
    json.loads(answer.content)
    assert "Traceback" not in answer.text


def test_every_path_that_takes_a_body_is_fuzzed() -> None:
    taking = {endpoint.paths for endpoint in ENDPOINTS if endpoint.method == "POST"}
    assert [paths for paths in taking if not SOUND.keys() & set(paths)] == []


@pytest.mark.parametrize("path", SOUND)
def test_any_json_is_answered_in_the_apis_form(ask: Callable[..., httpx.Response], path: str) -> None:
    key = {"Authorization": f"Bearer {ADMIN_KEY}".encode()}

    @FUZZED
    @given(mutated(SOUND[path]).map(as_json))
    def fuzz(body: bytes) -> None:
        _check(ask(path, body, key))

    fuzz()


@pytest.mark.parametrize("path", SOUND)
def test_any_bytes_are_answered_in_the_apis_form(ask: Callable[..., httpx.Response], path: str) -> None:
    @FUZZED
    @given(spoilt(as_json(SOUND[path])))
    def fuzz(body: bytes) -> None:
        _check(ask(path, body, {}))

    fuzz()


@FUZZED
@given(path=st.sampled_from(sorted(SOUND)), headers=st.dictionaries(st.sampled_from(HEADERS), VALUES, max_size=5))
def test_any_headers_are_answered_in_the_apis_form(
    ask: Callable[..., httpx.Response], path: str, headers: dict[str, str]
) -> None:
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    _check(ask(path, as_json(SOUND[path]), raw))
