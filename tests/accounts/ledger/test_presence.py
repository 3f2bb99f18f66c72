import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection

from serve_app.accounts.customers.owners import grant, open_account, require_account
from serve_app.accounts.ledger.clock import Clock
from serve_app.accounts.ledger.commits import Commits
from serve_app.accounts.ledger.operations import Authorise, Capture, Claim, HoldOrder
from serve_app.accounts.ledger.presence import COUNTER_BITS, Presence, _beats
from serve_app.accounts.ledger.settlement import settle
from serve_app.accounts.ledger.verify import verify
from serve_app.accounts.storage.database import AwayError, Database
from serve_app.domain.accounts import KeptAnswer
from serve_app.domain.errors import ServiceError

QUICK = {"beat_s": 0.05, "dead_s": 0.5}


def until(true: Callable[[], bool], within_s: float = 10.0) -> None:
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def account(database: Database) -> str:
    account = database.write(open_account, "ada@example.org", 1).id
    database.write(grant, account, 1_000, "first", "", now=1)
    return account


def held(database: Database, account: str) -> int:
    return database.read(require_account, account).held


def test_what_a_dead_gateway_held_is_released_and_what_it_captured_stays(
    opened: Callable[[], Database], database: Database, account: str
) -> None:
    dead = Presence(opened(), Clock(), "here", **QUICK)
    living = Presence(opened(), Clock(), "here", **QUICK)
    now = Clock().now()
    orders = [HoldOrder(dead.next_hold(), account, "key_a", 100, now, 500, "2026-11") for _ in range(3)]
    own = HoldOrder(living.next_hold(), account, "", 7, now)
    claims = [Claim(account, f"k{place}", b"1" * 32, hold.id, now) for place, hold in enumerate(orders)]
    database.write(settle, [*map(Authorise, [*orders, own]), *claims])
    captured = Capture(orders[0], 40, 1, "m", "standard", 1, 1, "r", KeptAnswer(b"{}", {}))
    database.write(settle, [captured])
    dead._closed.set()  # its thread ends without a word, as with kill -9
    until(lambda: held(database, account) == 7)
    assert database.read(require_account, account).balance == 960
    late = database.write(settle, [Capture(orders[1], 40, 1, "m", "standard", 1, 1, "r")])[0]
    assert isinstance(late, ServiceError)
    assert late.code == "unavailable"
    again = [Claim(account, f"k{place}", b"1" * 32, living.next_hold(), now) for place in range(3)]
    assert database.write(settle, again) == [KeptAnswer(b"{}", {}), None, None]
    assert database.read(verify).faults == ()
    living.close()
    assert held(database, account) == 0


def test_a_gateway_that_was_only_slow_comes_back_under_another_number(
    opened: Callable[[], Database], database: Database, account: str
) -> None:
    slow = Presence(opened(), Clock(), "here", beat_s=1.5, dead_s=60)
    hold = slow.next_hold()
    watcher = Presence(opened(), Clock(), "here", beat_s=0.05, dead_s=0.3)
    until(lambda: slow.next_hold() >> COUNTER_BITS != hold >> COUNTER_BITS)
    slow.close()
    watcher.close()


def test_what_a_buried_gateway_still_writes_before_it_dies_is_released_too(
    opened: Callable[[], Database], database: Database, account: str
) -> None:
    buried = Presence(opened(), Clock(), "here", **QUICK)
    buried._closed.set()
    late = HoldOrder(buried.next_hold(), account, "", 100, Clock().now())
    living = Presence(opened(), Clock(), "here", **QUICK)
    until(lambda: database.read(_numbers) == {living.next_hold() >> COUNTER_BITS})
    claim = Claim(account, "k", b"1" * 32, late.id, Clock().now())
    database.write(settle, [Authorise(late), claim])  # it stood still before this, and is killed after it
    until(lambda: held(database, account) == 0)
    assert database.write(settle, [Claim(account, "k", b"1" * 32, living.next_hold(), Clock().now())]) == [None]
    living.close()


def test_nobody_is_taken_for_dead_while_the_database_is_away(
    opened: Callable[[], Database], database: Database, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    databases, cuts = [opened(), opened()], [threading.Event(), threading.Event()]
    for each, cut in zip(databases, cuts, strict=True):
        real = each.transaction

        @contextmanager
        def transaction(real: Any = real, cut: threading.Event = cut) -> Iterator[Connection]:
            if cut.is_set():
                raise AwayError("cut")
            with real() as connection:
                yield connection

        monkeypatch.setattr(each, "transaction", transaction)
    watcher = Presence(databases[0], Clock(), "here", beat_s=0.05, dead_s=2.0)
    other = Presence(databases[1], Clock(), "here", beat_s=0.3, dead_s=60)
    hold = HoldOrder(other.next_hold(), account, "", 100, Clock().now())
    database.write(settle, [Authorise(hold)])
    time.sleep(0.2)
    for cut in cuts:
        cut.set()
    time.sleep(2.5)
    for cut in cuts:
        cut.clear()
        time.sleep(0.2)
    until(lambda: database.read(_beats)[hold.id >> COUNTER_BITS] > 0)
    assert held(database, account) == 100
    watcher.close()
    other.close()


def _numbers(connection: Connection) -> set[int]:
    return set(_beats(connection))


def test_holds_have_numbers_of_their_own(opened: Callable[[], Database], database: Database) -> None:
    gateways = [Presence(opened(), Clock(), "here", beat_s=60) for _ in range(3)]
    numbers = [gateway.next_hold() for gateway in gateways for _ in range(5)]
    assert len(set(numbers)) == 15
    for gateway in gateways:
        gateway.close()


def test_a_clock_that_jumps_back_is_refused_until_it_is_right(
    opened: Callable[[], Database], database: Database, account: str
) -> None:
    times = [10_000.0]
    clock = Clock(lambda: times[0])
    database.write(grant, account, 1, "later", "", now=10_000_000)
    times[0] = 10_000 - 59
    presence = Presence(opened(), clock, "here", beat_s=60)
    assert clock.now() == 9_941_000
    times[0] = 10_000 - 61
    with pytest.raises(ServiceError, match="61 s behind") as raised:
        clock.now()
    assert raised.value.code == "unavailable"
    times[0] = 10_001
    assert clock.now() == 10_001_000
    presence.close()


async def test_operations_of_a_gateway_that_is_not_registered_are_refused(tmp_path: object) -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none")
    presence = Presence(database, Clock(), "here", beat_s=60)
    with pytest.raises(ServiceError) as raised:
        presence.next_hold()
    assert (raised.value.code, raised.value.retry_after_s) == ("unavailable", 2)
    commits = Commits(database)
    began = asyncio.get_running_loop().time()
    with pytest.raises(ServiceError):
        await commits.done(Authorise(HoldOrder(1, "a", "", 1, 1)))
    assert asyncio.get_running_loop().time() - began < 4
    await commits.close()
    presence.close()


def test_a_hold_that_no_request_can_still_have_is_released(
    opened: Callable[[], Database], database: Database, account: str
) -> None:
    clock = Clock()
    gateway = Presence(opened(), clock, "here", beat_s=0.05, dead_s=60, longest_request_s=100)
    now = clock.now()
    ages_s = (0, 210, 230)  # 100 s, and two minutes for clocks that differ
    orders = [HoldOrder(gateway.next_hold(), account, "", 10 + age, now - age * 1000) for age in ages_s]
    database.write(settle, [Authorise(each) for each in orders])
    until(lambda: held(database, account) == 10 + 220)
    gateway.close()
