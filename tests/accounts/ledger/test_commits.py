"""Requests of several gateways on one database: what shares a transaction, and what becomes of it when that fails."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from typing import Any

import pytest
from sqlalchemy import select

from loadtest.server.postgres import PostgresServer
from serve_app.accounts.customers.owners import grant, open_account, require_account
from serve_app.accounts.ledger.commits import SIBLINGS, Commits
from serve_app.accounts.ledger.operations import Authorise, Capture, Claim, HoldOrder, Operation, Release
from serve_app.accounts.ledger.verify import verify
from serve_app.accounts.storage.database import AwayError, Database
from serve_app.accounts.storage.kept import KeptConnection
from serve_app.accounts.storage.tables import accounts
from serve_app.domain.errors import ServiceError

numbers = count(10**6)
DOLLAR = 10**9


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)


@pytest.fixture
def account(database: Database) -> str:
    account = database.write(open_account, "ada@example.org", 1).id
    database.write(grant, account, DOLLAR, "first", "", now=1)
    return account


def order(account: str, amount: int) -> HoldOrder:
    return HoldOrder(next(numbers), account, "", amount, 1)


def capture(hold: HoldOrder, charge: int) -> Capture:
    return Capture(hold, charge, 1, "org/model", "standard", 1, 1, "r")


@pytest.fixture
def transactions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One more for each transaction."""
    seen: list[int] = []
    real = KeptConnection.transaction

    def transaction(kept: KeptConnection, *, lasting: bool = True) -> AbstractContextManager[Any]:
        seen.append(1)
        return real(kept, lasting=lasting)

    monkeypatch.setattr(KeptConnection, "transaction", transaction)
    return seen


async def test_what_waits_shares_a_transaction(database: Database, account: str, transactions: list[int]) -> None:
    commits = Commits(database)
    await commits.done(Authorise(order(account, 1)))
    await asyncio.gather(*(commits.done(Authorise(order(account, 1))) for _ in range(100)))
    assert len(transactions) <= 3
    assert database.read(require_account, account).held == 101
    await commits.close()


async def test_where_many_are_in_work_what_comes_in_a_moment_shares_a_transaction(
    database: Database, account: str, transactions: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve_app.accounts.ledger.commits.GATHER_S", 0.5)
    commits, holds = Commits(database), [order(account, 1) for _ in range(SIBLINGS)]
    await asyncio.gather(*(commits.done(Authorise(hold)) for hold in holds))
    before = len(transactions)

    async def end(hold: HoldOrder, later_s: float) -> None:
        await asyncio.sleep(later_s)
        await commits.done(capture(hold, 1))

    await asyncio.gather(*(end(hold, 0.01 * number) for number, hold in enumerate(holds)))
    assert len(transactions) == before + 1
    await asyncio.wait_for(commits.done(Authorise(order(account, 1))), 0.4)  # alone, nobody waits
    await commits.close()


async def test_two_gateways_race_for_the_last_of_it(opened: Callable[[], Database], database: Database) -> None:
    account = database.write(open_account, "eve@example.org", 1).id
    database.write(grant, account, DOLLAR // 1_000, "last", "", now=1)  # $0.001: 125 documents of $0.000008
    gateways = [Commits(opened()) for _ in range(2)]

    async def client(number: int) -> int:
        """Ask until the credit is spent; returns what was told to be charged."""
        commits, told = gateways[number % 2], 0
        while True:
            hold = order(account, 8_000 * (1 + number % 3))
            try:
                await commits.done(Authorise(hold))
            except ServiceError as error:
                assert error.code == "insufficient_credit"  # noqa: PT017 - one of several outcomes
                return told
            await asyncio.sleep(0)
            if number % 7:
                await commits.done(capture(hold, 8_000))
                told += 8_000
            else:
                commits.soon(Release(hold))
                number += 1

    told = sum(await asyncio.gather(*map(client, range(100))))
    for commits in gateways:
        await commits.close()
    found = database.read(require_account, account)
    assert (found.spent, found.held) == (told, 0)
    assert found.balance >= 0
    assert told > DOLLAR // 1_000 - 3 * 8_000 * 100
    assert database.read(verify).faults == ()


async def test_who_goes_before_it_is_written_holds_nothing(database: Database, account: str) -> None:
    commits = Commits(database)
    waiting = [asyncio.create_task(commits.done(Authorise(order(account, 5)))) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first = asyncio.create_task(commits.done(Authorise(order(account, 7))))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(*waiting)
    await commits.done(Authorise(order(account, 1)))
    assert database.read(require_account, account).held == 16
    await commits.close()


class Cut:
    """Cuts the line to a database: before what was asked is written, or after, when nobody hears of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times, self.before = 0, False
        real = KeptConnection.transaction

        @contextmanager
        def transaction(kept: KeptConnection, *, lasting: bool = True) -> Iterator[Any]:
            self.times -= 1
            if self.times >= 0 and self.before:
                raise AwayError("cut")
            with real(kept, lasting=lasting) as connection:
                yield connection
            if self.times >= 0:
                raise AwayError("cut")

        monkeypatch.setattr(KeptConnection, "transaction", transaction)


@pytest.mark.parametrize("before", [True, False], ids=["unwritten", "unheard"])
async def test_a_capture_outlasts_a_short_outage_and_is_written_once(
    database: Database, account: str, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    cut, commits, hold = Cut(monkeypatch), Commits(database), order(account, 100)
    await commits.done(Authorise(hold))
    cut.before, cut.times = before, 3
    await commits.done(capture(hold, 60))
    assert database.read(require_account, account).balance == DOLLAR - 60
    await commits.close()
    assert database.read(verify).faults == ()


@pytest.mark.parametrize("before", [True, False], ids=["unwritten", "unheard"])
async def test_a_capture_that_is_given_up_is_paid_back(
    database: Database, account: str, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    # Longer than a slow machine takes for a transaction, and shorter than the outage.
    monkeypatch.setattr("serve_app.accounts.ledger.commits.PATIENCE_S", 1.0)
    cut, commits, hold = Cut(monkeypatch), Commits(database), order(account, 100)
    await commits.done(Authorise(hold))
    cut.before, cut.times = before, 10
    with pytest.raises(ServiceError) as raised:
        await commits.done(capture(hold, 60))
    assert raised.value.code == "unavailable"
    commits.soon(Release(hold))
    await commits.close()
    found = database.read(require_account, account)
    assert (found.balance, found.held) == (DOLLAR, 0)
    assert database.read(verify).faults == ()


async def test_while_the_database_is_away_nobody_waits_and_then_all_go_on(
    database: Database, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut, commits, hold = Cut(monkeypatch), Commits(database), order(account, 100)
    cut.before, cut.times = True, 5
    for _ in range(3):
        with pytest.raises(ServiceError) as raised:
            await commits.done(Authorise(order(account, 1)))
        assert (raised.value.code, raised.value.retry_after_s) == ("unavailable", 2)
    await until(lambda: not commits.away)  # it is asked again without anybody's request
    await commits.done(Authorise(hold))
    assert database.read(require_account, account).held == 100
    await commits.close()


async def test_one_operation_that_breaks_does_not_break_the_others(database: Database, account: str) -> None:
    commits = Commits(database)
    await commits.done(Authorise(order(account, 1)))
    broken: Operation = Claim(account, None, b"1" * 32, 7, 1)  # type: ignore[arg-type]
    outcomes = await asyncio.gather(
        *(commits.done(Authorise(order(account, 1))) for _ in range(3)),
        commits.done(broken),
        *(commits.done(Authorise(order(account, 1))) for _ in range(3)),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes].count(ServiceError) == 1
    assert database.read(require_account, account).held == 7
    await commits.close()


async def test_a_restart_of_the_server_under_load_loses_nothing(
    postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Clients count what they were told; the server is killed in the midst of it, several times."""
    place = postgres.new_database()
    database = Database(place)
    database.migrate()
    account = database.write(open_account, "ada@example.org", 1).id
    database.write(grant, account, DOLLAR, "first", "", now=1)
    gateways, told, stop = [Commits(Database(place)) for _ in range(2)], [0], asyncio.Event()

    async def client(commits: Commits) -> None:
        while not stop.is_set():
            hold = order(account, 100)
            try:
                await commits.done(Authorise(hold))
                await commits.done(capture(hold, 40))
                told[0] += 40
            except ServiceError as error:
                assert error.code == "unavailable"  # noqa: PT017 - one of several outcomes
                commits.soon(Release(hold))
                await asyncio.sleep(0.01)

    clients = [asyncio.create_task(client(gateways[number % 2])) for number in range(16)]
    for _ in range(3):
        enough = told[0] + 4_000
        await until(lambda enough=enough: told[0] >= enough)
        await asyncio.to_thread(postgres.kill)
        await asyncio.sleep(0.2)
        await asyncio.to_thread(postgres.start)
    stop.set()
    await asyncio.gather(*clients)
    for commits in gateways:
        await commits.close()
    database.forget_connections()
    found = database.read(require_account, account)
    assert "the database is away" in caplog.text  # it was noticed, be it that every answer waited it out
    assert (found.spent, found.held) == (told[0], 0)
    assert database.read(verify).faults == ()


async def test_a_server_that_stands_still_keeps_nobody_waiting_and_loses_nothing(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve_app.accounts.ledger.commits.PATIENCE_S", 0.5)
    database = Database(postgres.new_database())
    database.migrate()
    account = database.write(open_account, "ada@example.org", 1).id
    database.write(grant, account, DOLLAR, "first", "", now=1)
    commits, captured, held = Commits(database), order(account, 100), order(account, 100)
    await commits.done(Authorise(captured))
    with postgres.standing_still():
        async with asyncio.timeout(10):
            asked = [Authorise(held), capture(captured, 60), Authorise(order(account, 100))]
            outcomes = await asyncio.gather(*map(commits.done, asked), return_exceptions=True)
            assert [getattr(outcome, "code", outcome) for outcome in outcomes] == ["unavailable"] * 3
            with pytest.raises(ServiceError):
                await commits.done(Authorise(order(account, 1)))
        for hold in (captured, held):  # as their requests do
            commits.soon(Release(hold))
    await until(lambda: not commits.away)
    await commits.done(Release(order(account, 1)))
    found = database.read(require_account, account)
    assert (found.balance, found.held) == (DOLLAR, 100)  # of the third, which this test does not release
    await commits.close()
    assert database.read(verify).faults == ()
    database.forget_connections()


async def test_an_account_that_someone_has_locked_keeps_no_other_waiting(postgres: PostgresServer) -> None:
    place = postgres.new_database()
    database = Database(place)
    database.migrate()
    names = [database.write(open_account, f"{name}@example.org", 1).id for name in ("ada", "bob")]
    for name in names:
        database.write(grant, name, DOLLAR, name, "", now=1)
    commits = Commits(database)
    held = order(names[0], 5)
    await commits.done(Authorise(held))
    with Database(place).transaction() as connection:
        connection.execute(select(accounts).where(accounts.c.id == names[0]).with_for_update())
        locked, free, capturing = await asyncio.gather(
            commits.done(Authorise(order(names[0], 1))),
            commits.done(Authorise(order(names[1], 1))),
            commits.done(capture(held, 3)),
            return_exceptions=True,
        )
        assert (type(locked), free) == (AwayError, None)
        assert isinstance(capturing, AwayError)
        assert not commits.away
    await commits.done(Authorise(order(names[0], 2)))
    commits.soon(Release(held))
    await commits.close()
    found = [database.read(require_account, name) for name in names]
    assert [(each.balance, each.held) for each in found] == [(DOLLAR, 2), (DOLLAR, 1)]
    database.forget_connections()
