"""The ledger: many requests' credit in one transaction.

Each account in a batch is locked first, in order, so that no two gateways wait for each other; what is decided here is
then true until the transaction ends. What frees credit goes before what needs some.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from serve_app.accounts.ledger.claims import drop_claims, lost_claims, replayed_of, settle_claims, store_answers
from serve_app.accounts.ledger.operations import (
    Authorise,
    Capture,
    Claim,
    HoldOrder,
    Operation,
    Release,
    Unclaim,
    account_of,
)
from serve_app.accounts.ledger.spending import Spending
from serve_app.accounts.ledger.usage import add_usage
from serve_app.accounts.storage.prepared import Prepared, PreparedOf
from serve_app.accounts.storage.tables import accounts, entries, holds
from serve_app.domain.accounts import KeptAnswer
from serve_app.domain.errors import ServiceError
from serve_app.domain.price import format_usd

Outcome = KeptAnswer | ServiceError | None
"""What becomes of an operation: done, an earlier answer, or why it cannot be done."""

ENTERED = (
    "account_id",
    "kind",
    "amount",
    "at",
    "hold_id",
    "hold_amount",
    "key_id",
    "period",
    "model",
    "tier",
    "documents",
    "tokens",
    "request_id",
)
LOCK_IN_ORDER = PreparedOf(
    lambda names: (
        select(accounts.c.id, accounts.c.balance, accounts.c.held)
        .where(accounts.c.id.in_(names))
        .order_by(accounts.c.id)
        .with_for_update()
    )
)
MOVE = Prepared(
    lambda _: (
        update(accounts)
        .where(accounts.c.id == bindparam("account"))
        .values(balance=accounts.c.balance + bindparam("paid"), held=accounts.c.held + bindparam("more_held"))
    )
)
HOLD = Prepared(lambda _: insert(holds))
END = PreparedOf(lambda ids: delete(holds).where(holds.c.id.in_(ids)).returning(holds.c.id))
ENTER = Prepared(lambda _: insert(entries), ENTERED)
ENDED = select(entries).where(entries.c.hold_id.in_(bindparam("ids", expanding=True)))


@dataclass(slots=True)
class _Purse:
    """An account's credit inside a transaction, and by how much it has changed there."""

    balance: int
    held: int
    paid: int = 0
    more_held: int = 0

    def hold(self, amount: int) -> None:
        self.held += amount
        self.more_held += amount

    def pay(self, amount: int) -> None:
        self.balance += amount
        self.paid += amount


def settle(connection: Connection, batch: Sequence[Operation]) -> list[Outcome]:
    """Do a batch of operations, and say of each what became of it, in order.

    Asked again after a transaction whose end was not heard of, it does nothing twice.
    """
    outcomes: list[Outcome] = [None] * len(batch)
    purses = _locked(connection, {account_of(operation) for operation in batch})
    numbered = list(enumerate(batch))
    ends = [(place, each) for place, each in numbered if isinstance(each, Capture | Release)]
    wishes = [(place, each) for place, each in numbered if isinstance(each, Authorise)]
    claimed = [(place, each) for place, each in numbered if isinstance(each, Claim | Unclaim)]
    spending = Spending(connection, [each.hold for _, each in (*ends, *wishes)])
    if ends:
        for place, outcome in _end_holds(connection, ends, purses, spending):
            outcomes[place] = outcome
    for place, outcome in settle_claims(connection, claimed):
        outcomes[place] = outcome
    granted = []
    for place, wish in wishes:
        outcomes[place] = refusal = _refusal(wish.hold, purses.get(wish.hold.account), spending)
        if refusal is None:
            purses[wish.hold.account].hold(wish.hold.amount)
            spending.hold(wish.hold, wish.hold.amount)
            granted.append(_hold_row(wish.hold))
    if granted:
        HOLD.run(connection, granted)
    spending.write()
    moves = [
        {"account": account, "paid": purse.paid, "more_held": purse.more_held}
        for account, purse in purses.items()
        if purse.paid or purse.more_held
    ]
    if moves:
        MOVE.run(connection, moves)
    return outcomes


def _locked(connection: Connection, names: set[str]) -> dict[str, _Purse]:
    rows = LOCK_IN_ORDER.rows(connection, sorted(names))
    return {account: _Purse(balance, held) for account, balance, held in rows}


def _refusal(order: HoldOrder, purse: _Purse | None, spending: Spending) -> ServiceError | None:
    if purse is None:
        return ServiceError("invalid_api_key", "the API key's account is not here any more")
    if order.amount > purse.balance - purse.held:
        balance = f"the balance is ${format_usd(purse.balance)}"
        if purse.held:
            balance += f", of which requests in work hold ${format_usd(purse.held)}"
        message = f"the request can cost up to ${format_usd(order.amount)}; {balance}"
        return ServiceError("insufficient_credit", message)
    return spending.refusal(order)


def _end_holds(
    connection: Connection, ends: Sequence[tuple[int, Capture | Release]], purses: dict[str, _Purse], spending: Spending
) -> list[tuple[int, Outcome]]:
    """Capture and release. What ends no open hold has done so before, or has lost it to a sweeper."""
    charged_too_much = {end.hold.id for _, end in ends if isinstance(end, Capture) and end.charge > end.hold.amount}
    ids = [end.hold.id for _, end in ends if end.hold.id not in charged_too_much]
    ended = {hold for (hold,) in END.rows(connection, ids)}
    missed = [hold for hold in ids if hold not in ended]
    written = _written(connection, missed) if missed else {}
    # Another gateway has given the answer again before this one's capture was paid back: then it stays paid.
    given = replayed_of(connection, [*written])
    lost = lost_claims(connection, [end for _, end in ends if isinstance(end, Capture) and end.hold.id in ended])
    rows: list[dict[str, Any]] = []
    outcomes: list[tuple[int, Outcome]] = []
    for place, end in ends:
        order, outcome = end.hold, None
        captured = written.get(order.id, {})
        if order.id in ended:
            purses[order.account].hold(-order.amount)
            spending.hold(order, -order.amount)
            if order.id in lost:
                message = "the request's Idempotency-Key was given back before it was done; nothing was charged"
                outcome = ServiceError("unavailable", message, retry_after_s=1)
            elif isinstance(end, Capture):
                rows.append(_capture_row(end))
        elif isinstance(end, Release):
            if end.refund and set(captured) == {"capture"} and order.id not in given:
                rows.append(_refund_row(captured["capture"]))
        elif order.id in charged_too_much:
            outcome = ServiceError("internal", "the request used more than was held for it; nothing was charged")
        elif set(captured) != {"capture"}:
            message = "the request's credit was released before the request was done; nothing was charged"
            outcome = ServiceError("unavailable", message, retry_after_s=1)
        outcomes.append((place, outcome))
    for row in rows:
        purses[row["account_id"]].pay(row["amount"])
        spending.spend(row["key_id"], row["period"], -row["amount"])
    if rows:
        ENTER.run(connection, rows)
        add_usage(connection, rows)
    charged = {row["hold_id"] for row in rows if row["kind"] == "capture"}
    store_answers(connection, [end for _, end in ends if isinstance(end, Capture) and end.hold.id in charged])
    given_up = [end for _, end in ends if isinstance(end, Release)]
    drop_claims(connection, [end.hold.id for end in given_up if end.refund and end.hold.id not in given], answered=True)
    drop_claims(connection, [end.hold.id for end in given_up if not end.refund])
    return outcomes


def _written(connection: Connection, ids: Sequence[int]) -> dict[int, dict[str, dict[str, Any]]]:
    """The entries of holds, by hold and kind."""
    found: dict[int, dict[str, dict[str, Any]]] = defaultdict(dict)
    for row in connection.execute(ENDED, {"ids": ids}).mappings():
        found[row["hold_id"]][row["kind"]] = dict(row)
    return found


def _hold_row(order: HoldOrder) -> dict[str, Any]:
    return {
        "id": order.id,
        "account_id": order.account,
        "key_id": order.key,
        "amount": order.amount,
        "period": order.period,
        "at": order.at,
    }


def _capture_row(capture: Capture) -> dict[str, Any]:
    order = capture.hold
    return {
        "account_id": order.account,
        "kind": "capture",
        "amount": -capture.charge,
        "at": capture.at,
        "hold_id": order.id,
        "hold_amount": order.amount,
        "key_id": order.key,
        "period": order.period,
        "model": capture.model,
        "tier": capture.tier,
        "documents": capture.documents,
        "tokens": capture.tokens,
        "request_id": capture.request_id,
    }


def _refund_row(captured: dict[str, Any]) -> dict[str, Any]:
    """What undoes a capture; at the same time, so that the usage of its hour is undone, too."""
    return {
        **{name: captured[name] for name in ENTERED},
        "kind": "refund",
        "amount": -captured["amount"],
    }
