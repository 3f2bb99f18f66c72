"""Who has signed in with a key is served as who sends it, until the session or the key ends."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import insert, select

from serve_app.accounts.customers.keys import create_key, digest, new_secret, revoke_key
from serve_app.accounts.customers.lookup import Customers
from serve_app.accounts.customers.owners import open_account
from serve_app.accounts.customers.sessions import MOST_SESSIONS, begin_session, end_session, find_session
from serve_app.accounts.ledger.verify import verify
from serve_app.accounts.prepaid import PrepaidAccounts
from serve_app.accounts.storage.database import Database
from serve_app.accounts.storage.tables import entries, metadata, sessions
from serve_app.domain.account import Cap, KeyWish, NewKey
from serve_app.domain.accounts import Credentials
from serve_app.domain.answer import Usage
from serve_app.domain.errors import ServiceError
from serve_app.domain.meter import Quote
from serve_app.settings import AccountsSettings

HOUR_MS = 3_600_000
ENDED = "invalid_api_key: the session has ended; sign in again"


def now() -> int:
    return int(time.time() * 1000)


Make = Callable[..., NewKey]
Made = Callable[..., PrepaidAccounts]


@pytest.fixture
def make(database: Database) -> Make:
    """Makes keys of one account, good for what is said."""
    account = database.write(open_account, "ada@example.org", 1, welcome_usd=Decimal(1)).id
    return lambda **wish: database.write(create_key, account, KeyWish(**wish), now())


@pytest.fixture
async def made(place: str, database: Database) -> AsyncIterator[Made]:
    """Makes gateways' accounts. fresh_s: for which they remember who has asked."""
    gateways = []

    def make(*, fresh_s: float = 60.0, **settings: Any) -> PrepaidAccounts:
        gateways.append(PrepaidAccounts(AccountsSettings(database=place, **settings), longest_request_s=10))
        gateways[-1]._customers._fresh_s = fresh_s
        return gateways[-1]

    yield make
    for gateway in gateways:
        await gateway.close()


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Has the machine's clock go on by some seconds."""
    passed, real = [0.0], time.time
    monkeypatch.setattr(time, "time", lambda: real() + sum(passed))
    return passed.append


async def visits(accounts: PrepaidAccounts, session: str) -> str:
    """Who is let in with a session; where nobody is, what is said."""
    try:
        async with accounts.visit(Credentials(session=session, email="eve@example.org"), "r") as visit:
            return visit.tenant
    except ServiceError as error:
        return f"{error.code}: {error.message}"


async def test_a_session_may_do_what_its_key_may_and_spends_up_to_its_cap(
    made: Made, make: Make, database: Database
) -> None:
    key, accounts = make(scopes=("rerank",), models=("org/model",), cap=Cap(5_000, "day")), made()
    session = await accounts.desk.sign_in(key.secret)
    assert session.key == key.key
    quote = Quote("org/model", "standard", 1, 1, 3_000)
    async with accounts.visit(Credentials(session=session.secret), "r") as visit:
        visit.require("rerank")
        with pytest.raises(ServiceError, match="not for account"):
            visit.require("account")
        with pytest.raises(ServiceError, match="not for the model"):
            visit.require_model(["another/model"])
        hold = await visit.authorise(quote)
        await hold.capture(Usage(1, 1, 3_000))
    async with accounts.visit(Credentials(session=session.secret), "r") as visit:
        with pytest.raises(ServiceError, match="the key may spend"):
            await visit.authorise(quote)
    with database.snapshot() as connection:
        paid = select(entries.c.key_id, entries.c.amount).where(entries.c.kind == "capture")
        assert [tuple(row) for row in connection.execute(paid)] == [(key.key.id, -3_000)]
    assert database.read(verify).faults == ()


async def test_a_key_that_is_sent_counts_before_a_session(made: Made, make: Make) -> None:
    key, accounts = make(), made()
    session = await accounts.desk.sign_in(key.secret)
    with pytest.raises(ServiceError, match="the API key is not known"):
        async with accounts.visit(Credentials(key=new_secret(), session=session.secret), "r"):
            pass


async def test_nobody_signs_in_with_a_key_that_is_of_no_use(
    made: Made, make: Make, database: Database, passes: Callable[[float], None]
) -> None:
    revoked, brief, accounts = make(), make(expires=time.time() + 60), made()
    database.write(revoke_key, None, revoked.key.id, now())
    passes(60)
    told = {"rr_": "malformed", new_secret(): "not known", revoked.secret: "revoked", brief.secret: "expired"}
    for secret, cause in told.items():
        with pytest.raises(ServiceError, match=cause) as raised:
            await accounts.desk.sign_in(secret)
        assert raised.value.code == "invalid_api_key"
    with database.snapshot() as connection:
        assert connection.execute(select(sessions)).all() == []


async def test_a_session_ends_with_its_key(made: Made, make: Make, database: Database) -> None:
    key, accounts = make(), made(fresh_s=0.0)
    session = await accounts.desk.sign_in(key.secret)
    assert await visits(accounts, session.secret) == session.key.account
    database.write(revoke_key, None, key.key.id, now())
    assert await visits(accounts, session.secret) == ENDED


@pytest.mark.parametrize(("key_s", "lasts_s"), [(None, 7_200), (86_400, 7_200), (60, 60)])
async def test_a_session_ends_after_its_hours_and_no_later_than_its_key(
    made: Made, make: Make, passes: Callable[[float], None], key_s: int | None, lasts_s: int
) -> None:
    accounts, key = made(session_hours=2), make(expires=key_s and time.time() + key_s)
    session = await accounts.desk.sign_in(key.secret)
    assert session.expires == pytest.approx(time.time() + lasts_s, abs=20)
    passes(lasts_s - 30)
    assert await visits(accounts, session.secret) == session.key.account
    passes(30)
    assert await visits(accounts, session.secret) == ENDED  # though it is remembered


async def test_who_signs_out_is_unknown_at_once_here_and_in_a_moment_elsewhere(made: Made, make: Make) -> None:
    accounts, elsewhere = made(), made(fresh_s=0.0)
    session, other = [await accounts.desk.sign_in(make().secret) for _ in range(2)]
    assert await visits(accounts, session.secret) == session.key.account
    assert await visits(elsewhere, session.secret) == session.key.account
    await accounts.desk.sign_out(session.secret)
    assert await visits(accounts, session.secret) == ENDED
    assert await visits(elsewhere, session.secret) == ENDED
    for unknown in (session.secret, "", "\ud800", "rr_" * 1_000):
        await accounts.desk.sign_out(unknown)
        assert await visits(accounts, unknown) == ENDED
    assert await visits(accounts, other.secret) == other.key.account


async def test_a_session_that_is_looked_up_while_its_owner_signs_out_is_not_remembered(
    make: Make, database: Database
) -> None:
    key = make().key
    session = database.write(begin_session, key, now(), 1.0)
    go_on = asyncio.Event()

    async def read(query: Callable[..., Any], secret: str) -> Any:
        found = database.read(query, secret)
        await go_on.wait()
        return found

    customers = Customers(read, fresh_s=60.0)
    looking = asyncio.create_task(customers.of_session(session.secret))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    database.write(end_session, session.secret)
    customers.forget_session(session.secret)
    go_on.set()
    assert (await looking).key == key  # it was asked for before
    with pytest.raises(ServiceError, match="has ended"):
        await customers.of_session(session.secret)


def test_signing_in_sweeps_sessions_that_have_ended(make: Make, database: Database) -> None:
    key, other, at = make().key, make().key, now()
    ended, lasting = (database.write(begin_session, other, at - 2 * HOUR_MS, hours) for hours in (1.5, 2.5))
    database.write(begin_session, key, at, 1.0)
    assert database.read(find_session, ended.secret) is None
    assert database.read(find_session, lasting.secret) == (other, lasting.expires)


def test_a_key_has_so_many_sessions_of_which_the_oldest_ends(make: Make, database: Database) -> None:
    key, other, at = make().key, make().key, now()
    alone = database.write(begin_session, other, at - MOST_SESSIONS - 1, 1.0)
    first, second = (database.write(begin_session, key, at - MOST_SESSIONS + n, 1.0) for n in range(2))
    with database.transaction() as connection:
        row = {"key_id": key.id, "expires": at + HOUR_MS}
        many = [row | {"digest": digest(str(n)), "created": at - n} for n in range(MOST_SESSIONS - 2)]
        connection.execute(insert(sessions), many)
    database.write(begin_session, key, at, 1.0)
    assert database.read(find_session, first.secret) is None
    for kept in (second, alone):
        assert database.read(find_session, kept.secret)


async def test_a_sessions_secret_is_shown_and_kept_nowhere(made: Made, make: Make, database: Database) -> None:
    accounts, key = made(), make()
    session, second = [await accounts.desk.sign_in(key.secret) for _ in range(2)]
    assert len(session.secret) == 43  # base 64 of 256 bits
    assert session.secret != second.secret
    for shown in (session, Credentials(session=session.secret), replace(session, expires=1.0)):
        assert session.secret not in repr(shown)
    with database.snapshot() as connection:
        stored = [row for table in metadata.tables.values() for row in connection.execute(select(table))]
    assert session.secret not in repr(stored)
    assert any(digest(session.secret) in map(_plain, row) for row in stored)


def _plain(value: object) -> object:
    return bytes(value) if isinstance(value, memoryview) else value
