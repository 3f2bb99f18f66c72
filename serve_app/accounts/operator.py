"""What whoever runs the service asks of the ledger, each in one transaction."""

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import Connection, select

from serve_app.accounts.customers.keys import create_key, list_keys
from serve_app.accounts.customers.owners import find_account, limit_account, require_account
from serve_app.accounts.ledger.usage import usage_of
from serve_app.accounts.storage.tables import accounts
from serve_app.domain.account import Account, ApiKey, KeyWish, NewKey, UsageBucket, UsageWish


def change_limits(connection: Connection, name: str, changes: Mapping[str, int | None]) -> Account:
    """Change some limits of an account; None takes its own one away. Raises ServiceError not_found, invalid_request."""
    account = require_account(connection, name)
    return limit_account(connection, account.id, replace(account.limits, **changes))


def key_for(connection: Connection, name: str, wish: KeyWish, now: int) -> NewKey:
    """Make a key for an account (its id or email). Raises ServiceError not_found, invalid_request."""
    return create_key(connection, require_account(connection, name).id, wish, now)


def keys_of(connection: Connection, name: str) -> list[ApiKey]:
    """The keys of an account (its id or email), the newest first. Raises ServiceError not_found."""
    return list_keys(connection, require_account(connection, name).id)


def used_by(connection: Connection, name: str, wish: UsageWish) -> list[UsageBucket]:
    """What an account (its id or email) has used. Raises ServiceError not_found."""
    return usage_of(connection, require_account(connection, name).id, wish)


def first_account(connection: Connection, email: str) -> Account | None:
    """The account with this email, else the oldest. Nobody else changes it until the transaction ends."""
    oldest = select(accounts.c.id).order_by(accounts.c.created, accounts.c.id).limit(1)
    found = find_account(connection, email)
    name = found.id if found else connection.scalar(oldest)
    if name is None:
        return None
    connection.execute(select(accounts.c.id).where(accounts.c.id == name).with_for_update())
    return require_account(connection, name)
