"""Accounts: opened, found, listed, given credit."""

import re
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from serve_app.accounts.customers.keys import check_limits, limits_of, random_id
from serve_app.accounts.storage.tables import accounts, entries
from serve_app.domain.account import Account, Grant, Limits
from serve_app.domain.errors import ServiceError, shown
from serve_app.domain.price import MAX_USD, NANO_DOLLARS

LONGEST_EMAIL = 254  # RFC 5321, as erratum 1690 of RFC 3696 reads it
EMAIL = re.compile(r"[^\s@\x00-\x1f]+@[^\s@\x00-\x1f]+")
LONGEST_REFERENCE = 255
LARGEST_BALANCE = 10 * MAX_USD * NANO_DOLLARS


def open_account(
    connection: Connection, email: str, now: int, *, welcome_usd: Decimal = Decimal(0), limits: Limits | None = None
) -> Account:
    """Open an account, with credit to begin with. now: milliseconds since 1970.

    Raises ServiceError invalid_request where the email is taken or none.
    """
    name = checked_email(email)
    check_limits(limits or Limits())
    if find_account(connection, name):
        raise ServiceError("invalid_request", f"there is an account of {shown(name)} already", "email")
    return _new_account(connection, name, now, welcome_usd, limits or Limits())


def ensure_account(connection: Connection, email: str, now: int, *, welcome_usd: Decimal) -> Account:
    """The account with this email, which is opened where there is none.

    Raises ServiceError invalid_request where it is no email, IntegrityError where another opens it at the same time.
    """
    found = find_account(connection, email)
    return found or _new_account(connection, checked_email(email), now, welcome_usd, Limits())


def _new_account(connection: Connection, name: str, now: int, welcome_usd: Decimal, limits: Limits) -> Account:
    account = random_id("acct")
    row = {"id": account, "email": name, "created": now, "balance": 0, "held": 0, "granted": 0}
    connection.execute(insert(accounts), row | asdict(limits))
    if welcome := int(welcome_usd * NANO_DOLLARS):
        grant(connection, account, welcome, f"welcome:{account}", "welcome credit", now=now)
    return require_account(connection, account)


def checked_email(email: str) -> str:
    """An email address in lower case. Raises ServiceError invalid_request where it is none."""
    name = email.strip().lower()
    if len(name) > LONGEST_EMAIL or not EMAIL.fullmatch(name) or not name.isprintable():
        message = f"email must be an address such as ada@example.org, of {LONGEST_EMAIL} characters at most"
        raise ServiceError("invalid_request", f"{message}; got {shown(email)}", "email")
    return name


def find_account(connection: Connection, name: str) -> Account | None:
    """The account with this id or email."""
    at = accounts.c.email == name.strip().lower() if "@" in name else accounts.c.id == name
    row = connection.execute(select(accounts).where(at)).one_or_none()
    return None if row is None else _account(row)


def require_account(connection: Connection, name: str) -> Account:
    """The account with this id or email. Raises ServiceError not_found."""
    if account := find_account(connection, name):
        return account
    raise ServiceError("not_found", f"there is no account {shown(name)}", "account")


def list_accounts(connection: Connection) -> list[Account]:
    """All accounts, the oldest first."""
    return [_account(row) for row in connection.execute(select(accounts).order_by(accounts.c.created, accounts.c.id))]


def limit_account(connection: Connection, name: str, limits: Limits) -> Account:
    """Give an account limits of its own. Raises ServiceError not_found, invalid_request."""
    check_limits(limits)
    account = require_account(connection, name)
    connection.execute(update(accounts).where(accounts.c.id == account.id).values(**asdict(limits)))
    return require_account(connection, account.id)


def grant(connection: Connection, name: str, nano_dollars: int, reference: str, note: str, *, now: int) -> Grant:
    """Give credit to an account, once for a reference.

    Raises ServiceError: not_found; invalid_request where the amount is absurd, or the reference has granted something
    else before.
    """
    if not 0 < nano_dollars <= MAX_USD * NANO_DOLLARS:
        raise ServiceError("invalid_request", f"usd must be above 0 and at most {MAX_USD:,}", "usd")
    if not 0 < len(reference) <= LONGEST_REFERENCE or not reference.isprintable():
        message = f"reference must have from 1 to {LONGEST_REFERENCE} printable characters"
        raise ServiceError("invalid_request", message, "reference")
    account = require_account(connection, name)
    row = connection.execute(select(accounts.c.balance).where(accounts.c.id == account.id).with_for_update()).one()
    before = connection.execute(select(entries).where(entries.c.reference == reference)).one_or_none()
    if before is not None:
        if (before.account_id, before.amount) != (account.id, nano_dollars):
            message = f"reference {shown(reference)} has been used for another grant"
            raise ServiceError("invalid_request", message, "reference")
        return Grant(account.id, nano_dollars, reference, before.at / 1000, row.balance, again=True)
    if row.balance + nano_dollars > LARGEST_BALANCE:
        message = f"usd would bring the balance above ${LARGEST_BALANCE // NANO_DOLLARS:,}, the most that is kept"
        raise ServiceError("invalid_request", message, "usd")
    written: dict[str, Any] = {
        "account_id": account.id,
        "kind": "grant",
        "amount": nano_dollars,
        "at": now,
        "reference": reference,
        "note": note,
    }
    connection.execute(insert(entries), written)
    more = {"balance": accounts.c.balance + nano_dollars, "granted": accounts.c.granted + nano_dollars}
    connection.execute(update(accounts).where(accounts.c.id == account.id).values(**more))
    return Grant(account.id, nano_dollars, reference, now / 1000, row.balance + nano_dollars, again=False)


def _account(row: Row[Any]) -> Account:
    return Account(row.id, row.email, row.created / 1000, row.balance, row.held, row.granted, limits_of(row))
