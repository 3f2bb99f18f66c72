"""Accounts as only a running server shows them. What they are built of is tested in tests/accounts and tests/api."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import httpx
import pytest

from loadtest.server.running import Server
from serve_app.accounts.customers.keys import new_secret
from serve_app.accounts.storage.database import Database
from serve_app.domain.account import Cap, KeyWish, Limits
from serve_app.domain.price import NANO_DOLLARS, parse_usd
from serve_app.settings import EMBEDDED_MODEL, DemoSettings
from tests.cli.command import rayrank
from tests.integration.customers import open_with_key
from tests.integration.written import files, wait_for_line

ASK = {"model": EMBEDDED_MODEL, "query": "capital of France", "documents": ["Paris", "Berlin", "Bananas"]}
ASK_COSTS = 3 * 1_000  # nano-dollars, by the model's card
REVOKED_WITHIN_S = 5

Customer = Callable[..., httpx.Client]


@pytest.fixture
def customer(server: Server, ledger: Database, request: pytest.FixtureRequest) -> Customer:
    """Opens an account with $1, and is its client. wish: for its key."""

    def customer(wish: KeyWish = KeyWish(), name: str = "") -> httpx.Client:  # noqa: B008 - frozen
        _, new = open_with_key(ledger, f"{request.node.name}{name}", NANO_DOLLARS, wish)
        client = httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {new.secret}"}, timeout=60)
        request.addfinalizer(client.close)
        return client

    return customer


def rerank(client: httpx.Client, **headers: str) -> httpx.Response:
    return client.post(
        "/v1/rerank", json=ASK, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def spent(client: httpx.Client) -> int:
    return parse_usd("1") - parse_usd(client.get("/account").json()["balance_usd"])


def test_what_clients_were_told_is_what_they_were_charged(
    customer: Customer, ledger: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client = customer()

    def ask(number: int) -> Decimal:
        if number % 4 == 0:
            answer = client.post("/v1/embeddings", json={"model": EMBEDDED_MODEL, "input": ["one", f"text {number}"]})
        else:
            answer = rerank(client, X_Tier=("standard", "batch")[number % 2])
        assert answer.status_code == 200, answer.text
        return Decimal(answer.json()["usage"]["cost_usd"])

    with ThreadPoolExecutor(8) as clients:
        told = list(clients.map(ask, range(80)))
    assert len(set(told)) >= 3
    account = client.get("/account").json()
    assert Decimal(account["spent_usd"]) == sum(told) == 1 - Decimal(account["balance_usd"])
    assert account["held_usd"] == "0"
    usage = client.get("/v1/usage").json()["total"]
    assert (usage["requests"], Decimal(usage["cost_usd"])) == (80, sum(told))
    status = rayrank(monkeypatch, "ledger", "verify", "--database", str(ledger))
    assert status == 0, capsys.readouterr().err


def test_a_revoked_key_is_refused_within_seconds(customer: Customer) -> None:
    client = customer()
    key = client.post("/v1/keys", json={"name": "soon revoked"}).json()
    revoked = {"Authorization": f"Bearer {key['secret']}"}
    assert client.post("/v1/rerank", json=ASK, headers=revoked).status_code == 200
    assert client.delete(f"/v1/keys/{key['id']}").status_code == 200
    began = time.monotonic()
    while (answer := client.post("/v1/rerank", json=ASK, headers=revoked)).status_code == 200:
        assert time.monotonic() - began < REVOKED_WITHIN_S
        time.sleep(0.2)
    assert (answer.status_code, answer.json()["error"]["message"]) == (401, "the API key was revoked")
    assert rerank(client).status_code == 200


def test_a_capped_key_spends_no_more_than_its_cap_however_many_ask(customer: Customer) -> None:
    client = customer(KeyWish(cap=Cap(10 * ASK_COSTS + 1, "month")))
    with ThreadPoolExecutor(8) as clients:
        statuses = [answer.status_code for answer in clients.map(lambda _: rerank(client), range(30))]
    while (refused := rerank(client)).status_code == 200:  # holds may have stood in the way of some
        statuses.append(200)
    assert statuses.count(200) == 10
    assert set(statuses) == {200, 402}
    assert refused.status_code == 402
    assert "the key may spend $0.000030001 a month and has spent $0.00003" in refused.json()["error"]["message"]
    assert spent(client) == 10 * ASK_COSTS


def test_a_limited_key_is_told_what_is_left_and_when_to_come_again(customer: Customer) -> None:
    client = customer(KeyWish(limits=Limits(requests_per_minute=2)))
    for left in ("1", "0"):
        answer = rerank(client)
        assert answer.status_code == 200
        assert answer.headers["x-ratelimit-limit-requests"] == "2"
        assert answer.headers["x-ratelimit-remaining-requests"] == left
    refused = rerank(client)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limited")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60


def test_an_idempotency_key_is_charged_once_and_answered_the_same(customer: Customer) -> None:
    client = customer()
    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda _: rerank(client, Idempotency_Key="order-1"), range(4)))
    answers.append(rerank(client, Idempotency_Key="order-1"))
    assert {answer.status_code for answer in answers} <= {200, 409}  # 409: it was being answered
    assert len({answer.content for answer in answers if answer.status_code == 200}) == 1
    assert answers[-1].status_code == 200
    other = client.post("/v1/rerank", json=ASK | {"query": "other"}, headers={"Idempotency-Key": "order-1"})
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_conflict")
    assert spent(client) == ASK_COSTS


def test_the_demo_needs_no_key_and_has_its_own_limits(server: Server) -> None:
    demo: dict[str, Any] = {"headers": {"X-Demo": "true"}, "timeout": 60}
    url = f"{server.url}/v1/rerank"
    assert httpx.post(url, json=ASK).status_code == 401
    answer = httpx.post(url, json=ASK, **demo)
    assert (answer.status_code, answer.json()["usage"]["cost_usd"]) == (200, "0")
    large = httpx.post(url, json=ASK | {"documents": ["Paris"] * 51}, **demo)
    assert (large.status_code, large.json()["error"]["param"]) == (400, "documents")
    statuses = [httpx.post(url, json=ASK, **demo).status_code for _ in range(DemoSettings().requests_per_minute - 2)]
    assert set(statuses) == {200}
    refused = httpx.post(url, json=ASK, **demo)
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert httpx.post(url, json=ASK, headers=server.headers, timeout=60).status_code == 200


def test_a_key_is_written_nowhere(server: Server, ledger: Database, customer: Customer) -> None:
    client = customer()
    secret = client.headers["Authorization"].removeprefix("Bearer ")
    unknown = new_secret()
    ways = (
        {"Authorization": f"Bearer {secret}"},
        {"Authorization": f"Bearer {unknown}"},
        {"Authorization": f"Basic {secret}"},
        {"Authorization": f"Bearer {secret[:-1]}"},
        {"X-Api-Key": secret, "Authorization": ""},
    )
    for number, headers in enumerate(ways):
        for body in (ASK, {"query": ""}):
            client.post("/v1/rerank", json=body, headers=headers | {"X-Request-Id": f"secret-{number}"})
    wait_for_line(server, f"request_id=secret-{len(ways) - 1}")
    written = {file: file.read_bytes() for folder in (server.folder, server.log.parent) for file in files(folder)}
    logs = b"".join(text for file, text in written.items() if "Gateway" in file.name)
    assert all(f"request_id=secret-{number}".encode() in logs for number in range(len(ways)))
    for key in (secret, unknown):
        body = key.removeprefix("rr_")[:-1].encode()
        assert [file for file, text in written.items() if body in text] == []
