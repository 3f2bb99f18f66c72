"""What is written in the ledger, to be read: entries in their order, as many as there are."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select

from serve_app.accounts.customers.owners import require_account
from serve_app.accounts.ledger.verify import Verdict, verify
from serve_app.accounts.storage.database import be_patient
from serve_app.accounts.storage.tables import accounts, entries

ROWS_AT_A_TIME = 2_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the ledger. amount: what it changes the balance by, in nano-dollars; at: seconds since 1970.

    reference, note: of a grant. The rest is of a capture, or of the refund of one; key: "" where no key was used.
    """

    id: int
    at: float
    account: str
    email: str
    kind: str
    amount: int
    reference: str | None
    note: str | None
    key: str | None
    model: str | None
    tier: str | None
    documents: int | None
    tokens: int | None
    request_id: str | None
    hold: int | None
    held: int | None


@dataclass(frozen=True, slots=True)
class EntriesWish:
    """Which entries are asked for: from since up to until, in seconds since 1970. account: of one alone, by its id."""

    since: float | None = None
    until: float | None = None
    account: str | None = None
    kind: str | None = None


def count_entries(connection: Connection, wish: EntriesWish) -> int:
    """How many there are."""
    return connection.scalar(select(func.count()).select_from(entries).where(*_conditions(wish))) or 0


def read_entries(connection: Connection, wish: EntriesWish) -> Iterator[Entry]:
    """Entries in the order in which they were written, a few thousand in memory at a time."""
    be_patient(connection)
    rows = connection.execution_options(yield_per=ROWS_AT_A_TIME).execute(_query(wish))
    for entry, at, *others in rows:
        yield Entry(entry, at / 1000, *others)


def grants_of(connection: Connection, name: str) -> list[Entry]:
    """What an account (its id or email) was granted, the oldest first. Raises ServiceError not_found."""
    account = require_account(connection, name)
    return list(read_entries(connection, EntriesWish(account=account.id, kind="grant")))


def verify_patiently(connection: Connection) -> Verdict:
    """Check every invariant of the ledger, however long it takes."""
    be_patient(connection)
    return verify(connection)


def _query(wish: EntriesWish) -> Select[Any]:
    row = entries.c
    return (
        select(
            row.id,
            row.at,
            row.account_id,
            accounts.c.email,
            row.kind,
            row.amount,
            row.reference,
            row.note,
            row.key_id,
            row.model,
            row.tier,
            row.documents,
            row.tokens,
            row.request_id,
            row.hold_id,
            row.hold_amount,
        )
        .join(accounts, accounts.c.id == row.account_id)
        .where(*_conditions(wish))
        .order_by(row.id)
    )


def _conditions(wish: EntriesWish) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wish.since is not None:
        conditions.append(entries.c.at >= round(wish.since * 1000))
    if wish.until is not None:
        conditions.append(entries.c.at < round(wish.until * 1000))
    if wish.account is not None:
        conditions.append(entries.c.account_id == wish.account)
    if wish.kind is not None:
        conditions.append(entries.c.kind == wish.kind)
    return conditions
