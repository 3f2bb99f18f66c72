"""`Idempotency-Key`: what is sent twice is charged once and answered the same."""

import gzip
import json
from typing import Any

import httpx
import pytest

from serve_app.domain.errors import ServiceError
from tests.api.in_memory_accounts import ADMIN_KEY, KEY, LARGEST_KEPT, InMemoryAccounts
from tests.api.word_overlap import MODEL, WordOverlap

BODY: dict[str, Any] = {"model": MODEL, "query": "red fish", "documents": ["red fish", "blue"], "size": 1}
HEADERS = {"authorization": f"Bearer {KEY}", "idempotency-key": "order-66"}


def rerank(client: httpx.AsyncClient, path: str = "/v1/rerank", body: Any = BODY, **headers: str) -> Any:
    return client.post(path, json=body, headers=HEADERS | headers)


def balance(accounts: InMemoryAccounts) -> int:
    return accounts.accounts["acct_ada"].balance


async def test_a_request_that_is_sent_twice_is_charged_once_and_answered_the_same(
    shop: httpx.AsyncClient, service: WordOverlap, accounts: InMemoryAccounts
) -> None:
    first = await rerank(shop)
    left = balance(accounts)
    again = await rerank(shop, **{"x-request-id": "another"})
    packed = {"content-encoding": "gzip", "content-type": "application/json"}
    in_gzip = await shop.post("/v1/rerank", content=gzip.compress(first.request.content), headers=HEADERS | packed)
    assert [each.status_code for each in (first, again, in_gzip)] == [200] * 3
    assert first.content == again.content == in_gzip.content
    assert again.headers["x-warning"] == first.headers["x-warning"] == "the field 'size' is not known and was ignored"
    assert again.headers["x-request-id"] == "another"
    assert [each.headers.get("idempotent-replayed") for each in (first, again, in_gzip)] == [None, "true", "true"]
    assert balance(accounts) == left
    assert service.events.count("admitted") == 1


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/v1/rerank", BODY | {"query": "blue"}, {}),
        ("/v1/reranks", BODY, {}),
        ("/v1/rerank", BODY, {"x-tier": "batch"}),
    ],
)
async def test_another_request_with_the_same_key_is_a_conflict(
    shop: httpx.AsyncClient, service: WordOverlap, path: str, body: Any, headers: dict[str, str]
) -> None:
    await rerank(shop)
    conflict = await rerank(shop, path, body, **headers)
    assert (conflict.status_code, conflict.json()["error"]["code"]) == (409, "idempotency_conflict")
    assert service.events.count("admitted") == 1


async def test_a_key_is_its_accounts_own(shop: httpx.AsyncClient, service: WordOverlap) -> None:
    await rerank(shop)
    assert (await rerank(shop, authorization=f"Bearer {ADMIN_KEY}")).status_code == 200
    assert service.events.count("admitted") == 2


@pytest.mark.parametrize("fails", ["error", "capture_error"])
async def test_an_error_is_not_kept_and_the_key_is_free_again(
    shop: httpx.AsyncClient, service: WordOverlap, accounts: InMemoryAccounts, fails: str
) -> None:
    before = balance(accounts)
    setattr(service, fails, ServiceError("unavailable", "away", retry_after_s=1))
    assert (await rerank(shop)).status_code == 503
    assert (balance(accounts), accounts.claims) == (before, {})
    setattr(service, fails, None)
    good = await rerank(shop)
    assert (good.status_code, good.headers.get("idempotent-replayed")) == (200, None)


async def test_a_body_that_is_refused_claims_nothing(shop: httpx.AsyncClient, accounts: InMemoryAccounts) -> None:
    assert (await rerank(shop, body=BODY | {"query": ""})).status_code == 400
    assert "claim" not in accounts.events


async def test_an_answer_that_is_too_large_to_be_kept_is_not_charged(
    shop: httpx.AsyncClient, accounts: InMemoryAccounts
) -> None:
    before = balance(accounts)
    large = BODY | {"documents": ["red " * LARGEST_KEPT], "return_documents": True}
    assert (await rerank(shop, body=large)).status_code == 413
    assert balance(accounts) == before


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 256, "a\tb"])
async def test_a_key_that_is_none_is_refused_by_name(
    shop: httpx.AsyncClient, accounts: InMemoryAccounts, key: str
) -> None:
    headers = {"authorization": f"Bearer {KEY}".encode(), "idempotency-key": key.encode("latin-1")}
    refused = await shop.post("/v1/rerank", json=BODY, headers=headers)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "Idempotency-Key")
    assert "1 to 255 visible ASCII characters" in refused.json()["detail"]


async def test_of_two_keys_none_is_taken(shop: httpx.AsyncClient) -> None:
    headers = [*HEADERS.items(), ("idempotency-key", "another")]
    refused = await shop.post("/v1/rerank", json=BODY, headers=headers)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "Idempotency-Key")


@pytest.mark.parametrize("path", ["/v1/models", "/account"])
async def test_where_nothing_is_worked_on_it_is_ignored_and_that_is_told(shop: httpx.AsyncClient, path: str) -> None:
    response = await shop.get(path, headers=HEADERS)
    assert (response.status_code, response.headers["x-warning"]) == (
        200,
        "Idempotency-Key says nothing here and was ignored",
    )


async def test_without_accounts_it_is_accepted_and_says_nothing(
    client: httpx.AsyncClient, service: WordOverlap
) -> None:
    body = {name: value for name, value in BODY.items() if name != "size"}
    for key in ("order-66", "order-66", "x" * 999):
        response = await client.post("/v1/rerank", json=body, headers={"idempotency-key": key})
        assert response.status_code == 200
        assert {"x-warning", "idempotent-replayed"}.isdisjoint(response.headers)
    assert service.events.count("admitted") == 3
    assert "x-warning" not in (await client.get("/v1/models", headers=HEADERS)).headers


async def test_a_large_body_is_told_from_another_by_its_last_byte(shop: httpx.AsyncClient) -> None:
    text = "red " * 11_000
    body = {"query": "red", "documents": [text]}
    assert (await rerank(shop, body=body)).status_code == 200
    assert (await rerank(shop, body=body)).headers["idempotent-replayed"] == "true"
    assert (await rerank(shop, body={"query": "red", "documents": [text[:-1] + "."]})).status_code == 409
    assert len(json.dumps(body)) < 50_000
