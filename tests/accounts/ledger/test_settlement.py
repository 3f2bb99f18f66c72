"""What holds of the ledger whatever is asked of it, and in whichever order."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import DatabaseError

from serve_app.accounts.customers.owners import grant, open_account, require_account
from serve_app.accounts.ledger.claims import KEPT_MS
from serve_app.accounts.ledger.operations import (
    Authorise,
    Capture,
    Claim,
    HoldOrder,
    Operation,
    Release,
    Unclaim,
    period_of,
)
from serve_app.accounts.ledger.settlement import settle
from serve_app.accounts.ledger.usage import usage_of
from serve_app.accounts.ledger.verify import verify
from serve_app.accounts.storage.database import Database
from serve_app.accounts.storage.tables import accounts, entries, holds
from serve_app.domain.account import Cap, UsageWish
from serve_app.domain.accounts import KeptAnswer
from serve_app.domain.errors import ServiceError

NOON = 1_790_000_000_000
CAP = Cap(1_500, "day")
ANSWER = KeptAnswer(b'{"results": []}', {"X-A": "b"})
numbers = count(1)


def order(account: str, amount: int, *, key: str = "", cap: Cap | None = None, at: int = NOON) -> HoldOrder:
    period = period_of(cap, at) if cap else None
    return HoldOrder(next(numbers), account, key, amount, at, cap.nano_dollars if cap else None, period)


def capture(hold: HoldOrder, charge: int, answer: KeptAnswer | None = None) -> Capture:
    return Capture(hold, charge, hold.at, "org/model", "standard", 3, 40, "request-1", answer)


def done(database: Database, *operations: Operation) -> list[Any]:
    return database.write(settle, operations)


def codes(outcomes: list[Any]) -> list[str]:
    return [outcome.code if isinstance(outcome, ServiceError) else "done" for outcome in outcomes]


@dataclass
class Expected:
    """An account as it must be: by the simplest of models."""

    balance: int = 0
    open: dict[int, tuple[HoldOrder, str | None]] = field(default_factory=dict)
    captured: dict[int, tuple[HoldOrder, int]] = field(default_factory=dict)
    spent: dict[tuple[str, str], int] = field(default_factory=dict)
    gone: list[HoldOrder] = field(default_factory=list)

    @property
    def held(self) -> int:
        return sum(hold.amount for hold, _ in self.open.values())

    def would_spend(self, hold: HoldOrder) -> int:
        held = sum(o.amount for o, _ in self.open.values() if (o.key, o.period) == (hold.key, hold.period))
        return self.spent.get((hold.key, hold.period or ""), 0) + held + hold.amount


class Ledger(RuleBasedStateMachine):
    """Several accounts, of whom batches of operations ask in any order. `database` is set by the test."""

    database: Database
    emails = count()

    @initialize()
    def open_accounts(self) -> None:
        self.names = [self.database.write(open_account, f"{next(self.emails)}@machine", NOON).id for _ in range(2)]
        self.expected = {name: Expected() for name in self.names}
        self.references = 0

    @rule(account=st.integers(0, 1), amount=st.integers(1, 5_000), again=st.booleans())
    def give(self, account: int, amount: int, again: bool) -> None:
        name = self.names[account]
        self.references += 1
        reference = f"{name}-{self.references}"
        for _ in range(1 + again):
            self.database.write(grant, name, amount, reference, "", now=NOON)
        self.expected[name].balance += amount

    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        batch: list[Operation] = []
        for _ in range(data.draw(st.integers(1, 6))):
            batch.append(self._operation(data, batch))
        times = data.draw(st.sampled_from([1, 1, 1, 2]))  # sent again, as after a commit that was not heard of
        outcomes = codes(done(self.database, *batch))
        assert outcomes == self._expect(batch)
        for _ in range(times - 1):
            repeated = [each for each in batch if not isinstance(each, Authorise)]
            if repeated:
                assert codes(done(self.database, *repeated)) == codes_of(batch, outcomes)

    def _operation(self, data: st.DataObject, batch: list[Operation]) -> Operation:
        name = data.draw(st.sampled_from(self.names))
        expected = self.expected[name]
        asked = {each.hold.id for each in batch if isinstance(each, Capture | Release)}
        ended = [hold for hold, _ in [*expected.open.values(), *expected.captured.values()] if hold.id not in asked]
        kind = data.draw(st.sampled_from(["authorise", "authorise", "capture", "release", "strange"]))
        if kind == "authorise" or not ended:
            capped = data.draw(st.booleans())
            return Authorise(
                order(
                    name,
                    data.draw(st.integers(0, 2_000)),
                    key="key_capped" + name if capped else "",
                    cap=CAP if capped else None,
                )
            )
        hold = data.draw(st.sampled_from(ended))
        if kind == "capture":
            return capture(hold, data.draw(st.integers(0, hold.amount + 1)))
        if kind == "strange":
            gone = data.draw(st.sampled_from([order(name, 7), *expected.gone]))
            late = [capture(gone, gone.amount), Release(gone)] if gone.id not in asked else []
            return data.draw(st.sampled_from([*late, Release(hold, refund=False)]))
        return Release(hold)

    def _expect(self, batch: list[Operation]) -> list[str]:
        found: dict[int, str] = {}
        ordered = sorted(enumerate(batch), key=lambda each: isinstance(each[1], Authorise))
        for place, each in ordered:
            assert isinstance(each, Authorise | Capture | Release)
            expected, hold = self.expected[each.hold.account], each.hold
            spends = (hold.key, hold.period or "")
            found[place] = "done"
            if isinstance(each, Authorise):
                above = hold.cap is not None and expected.would_spend(hold) > hold.cap
                if hold.amount > expected.balance - expected.held or above:
                    found[place] = "insufficient_credit"
                else:
                    expected.open[hold.id] = hold, None
            elif isinstance(each, Capture) and each.charge > hold.amount:
                found[place] = "internal"
            elif hold.id in expected.open:
                del expected.open[hold.id]
                if isinstance(each, Release):
                    expected.gone.append(hold)
                if isinstance(each, Capture):
                    expected.balance -= each.charge
                    expected.captured[hold.id] = hold, each.charge
                    expected.spent[spends] = expected.spent.get(spends, 0) + each.charge
            elif isinstance(each, Capture):
                found[place] = "done" if hold.id in expected.captured else "unavailable"
            elif each.refund and hold.id in expected.captured:
                _, charge = expected.captured.pop(hold.id)
                expected.gone.append(hold)
                expected.balance += charge
                expected.spent[spends] -= charge
        return [found[place] for place in range(len(batch))]

    @invariant()
    def all_is_as_expected(self) -> None:
        for name, expected in getattr(self, "expected", {}).items():
            account = self.database.read(require_account, name)
            assert (account.balance, account.held) == (expected.balance, expected.held)
            assert 0 <= account.held <= account.balance
            assert account.spent == sum(charge for _, charge in expected.captured.values())

    def teardown(self) -> None:
        assert self.database.read(verify).faults == ()


def codes_of(batch: list[Operation], outcomes: list[str]) -> list[str]:
    return [code for each, code in zip(batch, outcomes, strict=True) if not isinstance(each, Authorise)]


def test_the_invariants_hold_in_any_order(database: Database) -> None:
    Ledger.database = database
    run_state_machine_as_test(
        Ledger,
        settings=settings(
            max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


@pytest.fixture
def account(database: Database) -> str:
    account = database.write(open_account, "ada@example.org", NOON).id
    database.write(grant, account, 1_000, "first", "", now=NOON)
    return account


def test_an_idempotency_key_is_answered_as_before_and_charged_once(database: Database, account: str) -> None:
    hold, again, other = (order(account, 100) for _ in range(3))
    print_of = b"1" * 32
    assert done(database, Claim(account, "k", print_of, hold.id, NOON), Authorise(hold)) == [None, None]
    assert codes(done(database, Claim(account, "k", print_of, again.id, NOON))) == ["idempotency_conflict"]
    assert done(database, Claim(account, "k", print_of, hold.id, NOON)) == [None]  # its own, not heard of
    assert done(database, capture(hold, 40, ANSWER)) == [None]
    assert done(database, Unclaim(account, hold.id)) == [None]  # what every request does when it leaves
    assert done(database, Claim(account, "k", print_of, again.id, NOON + KEPT_MS - 1)) == [ANSWER]
    assert codes(done(database, Claim(account, "k", b"2" * 32, other.id, NOON))) == ["idempotency_conflict"]
    assert database.read(require_account, account).balance == 960
    assert done(database, Claim(account, "k", b"2" * 32, other.id, NOON + KEPT_MS)) == [None]


def test_a_request_whose_key_was_given_back_meanwhile_is_not_charged(database: Database, account: str) -> None:
    """Its gateway stood still before it held credit, was taken for dead, and went on."""
    late, again = order(account, 100), order(account, 100)
    done(database, Claim(account, "k", b"1" * 32, late.id, NOON))
    done(database, Unclaim(account, late.id))
    done(database, Authorise(late))
    for _ in range(2):  # also where the first was not heard of
        assert codes(done(database, capture(late, 40, ANSWER))) == ["unavailable"]
    done(database, Claim(account, "k", b"1" * 32, again.id, NOON), Authorise(again))
    done(database, capture(again, 40, ANSWER), Release(late))
    found = database.read(require_account, account)
    assert (found.balance, found.held) == (960, 0)
    assert database.read(verify).faults == ()


def test_a_key_that_was_not_answered_can_be_used_again(database: Database, account: str) -> None:
    first, second, third = (order(account, 100) for _ in range(3))
    claims = [Claim(account, "k", b"1" * 32, hold.id, NOON) for hold in (first, second, third)]
    assert codes(done(database, claims[0], claims[1])) == ["done", "idempotency_conflict"]
    done(database, Unclaim(account, first.id))
    # The capture was written and not heard of: the answer was withheld, and the money goes back.
    done(database, claims[1], Authorise(second))
    done(database, capture(second, 40, ANSWER))
    done(database, Release(second))
    assert database.read(require_account, account).balance == 1_000
    assert done(database, claims[2]) == [None]


def test_a_capture_that_was_paid_back_does_not_count_as_made(database: Database, account: str) -> None:
    hold = order(account, 100)
    done(database, Authorise(hold))
    for operation in (capture(hold, 40), capture(hold, 40), Release(hold), Release(hold)):
        assert done(database, operation) == [None]
    assert codes(done(database, capture(hold, 40))) == ["unavailable"]
    assert database.read(require_account, account).balance == 1_000
    assert database.read(verify).entries == 3


def test_a_capture_whose_answer_was_given_again_is_not_paid_back(database: Database, account: str) -> None:
    print_of, hold, again = b"1" * 32, order(account, 100), order(account, 100)
    done(database, Claim(account, "k", print_of, hold.id, NOON), Authorise(hold))
    done(database, capture(hold, 40, ANSWER))  # of which its gateway does not hear
    assert done(database, Claim(account, "k", print_of, again.id, NOON)) == [ANSWER]  # at another one
    assert done(database, Release(hold), Unclaim(account, hold.id)) == [None, None]
    assert database.read(require_account, account).balance == 960
    assert done(database, Claim(account, "k", print_of, again.id, NOON)) == [ANSWER]


def test_usage_is_what_was_charged(database: Database, account: str) -> None:
    hours = [order(account, 100, key="key_a", at=NOON + hour * 3_600_000) for hour in (0, 0, 1, 30)]
    done(database, *map(Authorise, hours))
    done(database, *(capture(hold, 10) for hold in hours))
    done(database, Release(hours[1]))
    wish = UsageWish(NOON / 1000, NOON / 1000 + 86_400 * 3)
    days = database.read(usage_of, account, wish)
    assert [(bucket.requests, bucket.documents, bucket.tokens, bucket.nano_dollars) for bucket in days] == [
        (2, 6, 80, 20),
        (1, 3, 40, 10),
    ]
    assert {(bucket.key, bucket.model) for bucket in days} == {("key_a", "org/model")}
    by_hour = database.read(usage_of, account, replace(wish, bucket="hour", until=NOON / 1000 + 3_600))
    assert sum(bucket.requests for bucket in by_hour) == 2
    assert database.read(usage_of, account, replace(wish, model="org/other")) == []


def test_entries_are_only_ever_added(database: Database, account: str) -> None:
    for change in (update(entries).values(amount=5), delete(entries)):
        with pytest.raises(DatabaseError, match="only ever added"), database.engine.begin() as connection:
            connection.execute(change)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda a: update(accounts).values(balance=accounts.c.balance + 1), "entries come to"),
        (lambda a: update(accounts).values(granted=accounts.c.granted + 1), "grants come to"),
        (lambda a: update(accounts).values(held=accounts.c.held + 1), "open holds come to"),
        (lambda a: delete(holds), "open holds come to"),
        (
            lambda a: insert(entries).values(account_id=a, kind="capture", amount=-1, hold_amount=1, at=NOON),
            "leaves out",
        ),
        (
            lambda a: insert(entries).values(
                account_id=a, kind="refund", amount=9, hold_id=8, at=NOON, documents=0, tokens=0, key_id="", model=""
            ),
            "were refunded of",
        ),
    ],
)
def test_verify_finds_what_is_wrong(database: Database, account: str, spoil: Callable[[str], Any], told: str) -> None:
    open_hold, captured = order(account, 100, key="key_a", cap=CAP), order(account, 100)
    done(database, Authorise(open_hold), Authorise(captured))
    done(database, capture(captured, 30))
    verdict = database.read(verify)
    assert (verdict.faults, verdict.entries, verdict.holds, verdict.balance) == ((), 2, 1, 970)
    with database.transaction() as connection:
        connection.execute(spoil(account))
    faults = database.read(verify).faults
    assert any(told in fault for fault in faults), faults


def test_a_month_and_a_day_are_of_utc() -> None:
    last_moment = 1_764_547_199_999  # 2025-11-30T23:59:59.999Z
    assert [period_of(Cap(1, "day"), last_moment + more) for more in (0, 1)] == ["2025-11-30", "2025-12-01"]
    assert [period_of(Cap(1, "month"), last_moment + more) for more in (0, 1)] == ["2025-11", "2025-12"]
