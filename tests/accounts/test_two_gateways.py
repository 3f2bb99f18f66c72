"""One gateway stands still around its commit while another answers the same Idempotency-Key."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, select

from serve_app.accounts.customers.keys import create_key
from serve_app.accounts.customers.owners import grant, open_account, require_account
from serve_app.accounts.ledger.commits import Commits
from serve_app.accounts.ledger.presence import bury
from serve_app.accounts.ledger.verify import verify
from serve_app.accounts.prepaid import PrepaidAccounts
from serve_app.accounts.storage.database import AwayError, Database
from serve_app.accounts.storage.tables import gateways
from serve_app.api.routes import build_api
from serve_app.domain.account import KeyWish
from serve_app.settings import AccountsSettings, Settings
from tests.accounts.crashes.gateway_process import simulated_service

BODY = {"query": "number", "documents": ["one", "two", "three"]}
COST = 3 * 1_000  # of three documents, by the embedded model's card
DOLLAR = 10**9


class Pausable:
    """Has a gateway stand still at the transactions that follow, or not reach its database.

    moment: "before" what is asked is written, or "after", before the gateway hears of it. lost: nothing is heard.
    """

    def __init__(self, commits: Commits) -> None:
        self.moment, self.lost = "", False
        self.reached, self.go_on = threading.Event(), threading.Event()
        connection = commits._connection
        self._real: Any = connection.transaction
        connection.transaction = self._transaction  # type: ignore[method-assign]

    @contextmanager
    def _transaction(self, *, lasting: bool = True) -> Iterator[Connection]:
        moment, self.moment = self.moment, ""
        if self.lost:
            raise AwayError("lost")
        if moment == "before":
            self._pause()
        with self._real(lasting=lasting) as connection:
            yield connection
        if moment == "after":
            self._pause()
        if self.lost:
            raise AwayError("lost")

    def _pause(self) -> None:
        self.reached.set()
        self.go_on.wait(20)


@dataclass
class Pair:
    clients: list[httpx.AsyncClient]
    pause: Pausable
    database: Database
    account: str

    async def ask(self, gateway: int) -> httpx.Response:
        return await self.clients[gateway].post("/v1/rerank", json=BODY, headers={"Idempotency-Key": "order-66"})

    @property
    def spent(self) -> int:
        return self.database.read(require_account, self.account).spent


@pytest.fixture
async def pair(opened: Callable[[], Database], place: str) -> AsyncIterator[Pair]:
    """Two gateways; the first can be paused."""
    database = opened()
    account = database.write(open_account, "ada@example.org", 1).id
    database.write(grant, account, DOLLAR, "first", "", now=1)
    key = database.write(create_key, account, KeyWish(), 1).secret
    settings = AccountsSettings(database=place)
    async with AsyncExitStack() as stack:
        kept = [PrepaidAccounts(settings, longest_request_s=10, beat_s=60) for _ in range(2)]
        for each in kept:
            stack.push_async_callback(each.close)
        service = await stack.enter_async_context(simulated_service())
        clients = []
        for each in kept:
            transport = httpx.ASGITransport(build_api(service, Settings(accounts=settings), each))
            headers = {"Authorization": f"Bearer {key}"}
            client = httpx.AsyncClient(transport=transport, base_url="http://rayrank", headers=headers)
            clients.append(await stack.enter_async_context(client))
        yield Pair(clients, Pausable(kept[0]._commits), database, account)


async def test_of_two_that_are_asked_at_once_one_works(pair: Pair) -> None:
    answers = await asyncio.gather(*(pair.ask(place % 2) for place in range(8)))
    codes = {answer.status_code for answer in answers}
    assert codes <= {200, 409}
    assert (await pair.ask(1)).headers["idempotent-replayed"] == "true"
    assert pair.spent == COST


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_one_that_stands_still_at_its_capture_until_it_is_taken_for_dead_charges_nothing_twice(
    pair: Pair, moment: str
) -> None:
    first = asyncio.create_task(_ask_and_pause_at_capture(pair, moment))
    assert await asyncio.to_thread(pair.pause.reached.wait, 20)
    for number in sorted(pair.database.read(_gateways))[:1]:
        pair.database.write(bury, number, None)
    again = await pair.ask(1)
    assert (again.status_code, "idempotent-replayed" in again.headers) == (200, moment == "after")
    pair.pause.go_on.set()
    late = await first
    assert late.status_code == (200 if moment == "after" else 503)
    if moment == "after":
        assert late.json()["results"] == again.json()["results"]
    assert (await pair.ask(1)).headers["idempotent-replayed"] == "true"
    assert pair.spent == COST
    assert pair.database.read(verify).faults == ()


async def test_one_that_lost_the_database_after_its_capture_pays_nothing_back_once_another_has_answered(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve_app.accounts.ledger.commits.PATIENCE_S", 0.2)
    first = asyncio.create_task(_ask_and_pause_at_capture(pair, "after"))
    assert await asyncio.to_thread(pair.pause.reached.wait, 20)
    pair.pause.lost = True
    pair.pause.go_on.set()
    assert (await first).status_code == 503
    assert (await _answered(pair, 1)).headers["idempotent-replayed"] == "true"
    pair.pause.lost = False
    await _answered(pair, 0)
    assert pair.spent == COST
    assert pair.database.read(verify).faults == ()


async def _answered(pair: Pair, gateway: int) -> httpx.Response:
    """A gateway's answer, once it has one: with so little patience any stutter of the machine is an outage."""
    async with asyncio.timeout(10):
        while (answer := await pair.ask(gateway)).status_code == 503:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
    return answer


async def _ask_and_pause_at_capture(pair: Pair, moment: str) -> httpx.Response:
    """Ask the first gateway, which stands still at the third thing that it writes: after a claim and a hold."""
    real = pair.pause._real
    count = 0

    @contextmanager
    def counted(*, lasting: bool) -> Iterator[Connection]:
        nonlocal count
        count += 1
        if count == 2:
            pair.pause.moment = moment
        with real(lasting=lasting) as connection:
            yield connection

    pair.pause._real = counted
    return await pair.ask(0)


def _gateways(connection: Connection) -> list[int]:
    return list(connection.scalars(select(gateways.c.id)))
