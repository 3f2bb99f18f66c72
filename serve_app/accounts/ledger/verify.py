"""Proof that the ledger is right: every invariant, asked of one moment of a database that is in use."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, FromClause, and_, case, func, literal, or_, select

from serve_app.accounts.ledger.usage import HOUR_MS, SUMMED
from serve_app.accounts.storage.tables import accounts, entries, holds, spending, usage
from serve_app.domain.price import format_usd

MOST_TOLD = 20  # of one kind


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found. faults: a line each; none is how it should be."""

    accounts: int
    entries: int
    holds: int
    balance: int
    faults: tuple[str, ...]


def verify(connection: Connection) -> Verdict:
    """Check every invariant of the ledger."""
    checks = (_balances, _held, _ended_twice, _captured_and_open, _refunds, _above_holds, _spending, _usage)
    faults = [fault for check in checks for fault in check(connection)]
    balance = connection.scalar(select(func.coalesce(func.sum(accounts.c.balance), 0)))
    return Verdict(
        _count(connection, accounts),
        _count(connection, entries),
        _count(connection, holds),
        int(balance or 0),
        tuple(faults),
    )


def _count(connection: Connection, table: FromClause) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def _balances(connection: Connection) -> Iterator[str]:
    """Balance = sum of entries; granted = sum of grants; balance - held >= 0."""
    granted = func.sum(case((entries.c.kind == "grant", entries.c.amount), else_=0))
    sums = (
        select(entries.c.account_id, func.sum(entries.c.amount).label("total"), granted.label("granted"))
        .group_by(entries.c.account_id)
        .subquery()
    )
    total, given = func.coalesce(sums.c.total, 0), func.coalesce(sums.c.granted, 0)
    query = (
        select(accounts.c.id, accounts.c.balance, accounts.c.held, accounts.c.granted, total, given)
        .outerjoin(sums, sums.c.account_id == accounts.c.id)
        .where(or_(accounts.c.balance != total, accounts.c.granted != given, accounts.c.balance < accounts.c.held))
    )
    for account, balance, held, said, entered, grants in connection.execute(query.limit(MOST_TOLD)):
        if balance != entered:
            yield f"{account}: the balance is {_usd(balance)}, and its entries come to {_usd(entered)}"
        if said != grants:
            yield f"{account}: {_usd(said)} were granted, and its grants come to {_usd(grants)}"
        if balance < held:
            yield f"{account}: {_usd(held)} are held, more than the balance of {_usd(balance)}"


def _held(connection: Connection) -> Iterator[str]:
    """Held = sum of open holds."""
    sums = select(holds.c.account_id, func.sum(holds.c.amount).label("total")).group_by(holds.c.account_id).subquery()
    total = func.coalesce(sums.c.total, 0)
    query = select(accounts.c.id, accounts.c.held, total).outerjoin(sums, sums.c.account_id == accounts.c.id)
    for account, held, found in connection.execute(query.where(accounts.c.held != total).limit(MOST_TOLD)):
        yield f"{account}: {_usd(held)} are held, and its open holds come to {_usd(found)}"


def _ended_twice(connection: Connection) -> Iterator[str]:
    """A hold is captured once, and refunded once."""
    query = (
        select(entries.c.hold_id, entries.c.kind, func.count())
        .where(entries.c.hold_id.is_not(None))
        .group_by(entries.c.hold_id, entries.c.kind)
        .having(func.count() > 1)
    )
    for hold, kind, times in connection.execute(query.limit(MOST_TOLD)):
        yield f"hold {hold}: {times} entries of kind {kind}"


def _captured_and_open(connection: Connection) -> Iterator[str]:
    """A hold that was captured is closed."""
    query = select(holds.c.id).where(holds.c.id.in_(select(entries.c.hold_id).where(entries.c.hold_id == holds.c.id)))
    for hold in connection.scalars(query.limit(MOST_TOLD)):
        yield f"hold {hold}: open, and captured"


def _refunds(connection: Connection) -> Iterator[str]:
    """A refund gives back what its capture took."""
    captured = entries.alias("captured")
    query = (
        select(entries.c.hold_id, entries.c.amount, captured.c.amount)
        .outerjoin(captured, and_(captured.c.hold_id == entries.c.hold_id, captured.c.kind == "capture"))
        .where(entries.c.kind == "refund")
        .where(or_(captured.c.amount.is_(None), captured.c.amount != -entries.c.amount))
    )
    for hold, amount, taken in connection.execute(query.limit(MOST_TOLD)):
        yield f"hold {hold}: {_usd(amount)} were refunded of {_usd(-(taken or 0))}"


def _above_holds(connection: Connection) -> Iterator[str]:
    """No more is captured than was held."""
    query = select(entries.c.hold_id, entries.c.amount, entries.c.hold_amount).where(
        entries.c.kind == "capture", or_(entries.c.hold_amount.is_(None), -entries.c.amount > entries.c.hold_amount)
    )
    for hold, amount, held in connection.execute(query.limit(MOST_TOLD)):
        yield f"hold {hold}: {_usd(-amount)} were captured of {_usd(held or 0)}"


def _spending(connection: Connection) -> Iterator[str]:
    """What a capped key has spent and holds = its entries and open holds of that period."""
    spent = (
        select(entries.c.key_id, entries.c.period, (-entries.c.amount).label("spent"), literal(0).label("held"))
        .where(entries.c.period.is_not(None))
        .union_all(
            select(holds.c.key_id, holds.c.period, literal(0), holds.c.amount).where(holds.c.period.is_not(None)),
            select(spending.c.key_id, spending.c.period, -spending.c.spent, -spending.c.held),
        )
        .subquery()
    )
    sums = func.sum(spent.c.spent), func.sum(spent.c.held)
    query = select(spent.c.key_id, spent.c.period, *sums).group_by(spent.c.key_id, spent.c.period)
    for key, period, missing, held in connection.execute(
        query.having(or_(sums[0] != 0, sums[1] != 0)).limit(MOST_TOLD)
    ):
        yield f"{key}: the sums of {period} leave out {_usd(missing)} spent and {_usd(held)} held"


def _usage(connection: Connection) -> Iterator[str]:
    """The sums of usage = the entries."""
    sign = case((entries.c.kind == "capture", 1), else_=-1)
    hour = entries.c.at - entries.c.at % HOUR_MS
    places = ("account_id", "hour", "key_id", "model")
    entered = select(
        entries.c.account_id,
        hour.label("hour"),
        entries.c.key_id,
        entries.c.model,
        sign.label("requests"),
        (sign * entries.c.documents).label("documents"),
        (sign * entries.c.tokens).label("tokens"),
        (-entries.c.amount).label("nano_dollars"),
    ).where(entries.c.kind != "grant")
    summed: Any = select(*(usage.c[name] for name in places), *(-usage.c[name] for name in SUMMED))
    both = entered.union_all(summed).subquery()
    sums = [func.sum(both.c[name]) for name in SUMMED]
    query = select(*(both.c[name] for name in places), *sums).group_by(*(both.c[name] for name in places))
    for account, at, key, model, *missing in connection.execute(
        query.having(or_(*(each != 0 for each in sums))).limit(MOST_TOLD)
    ):
        told = ", ".join(f"{amount} {name}" for name, amount in zip(SUMMED, missing, strict=True))
        yield f"{account}: usage of {key or 'no key'} and {model} in the hour {at} leaves out {told}"


def _usd(nano_dollars: int) -> str:
    return f"${format_usd(int(nano_dollars))}"
