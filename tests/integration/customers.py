"""Customers of a running server, made in its ledger behind its back, as the command line does."""

import time

from serve_app.accounts.customers.owners import grant, open_account
from serve_app.accounts.operator import key_for
from serve_app.accounts.storage.database import Database
from serve_app.domain.account import Account, KeyWish, NewKey

ANY = KeyWish()


def open_with_key(ledger: Database, name: str, nano_dollars: int = 0, wish: KeyWish = ANY) -> tuple[Account, NewKey]:
    """An account, with credit or without, and a key for it."""
    now = int(time.time() * 1000)
    email = f"{name}@example.org"
    account = ledger.write(open_account, email, now)
    if nano_dollars:
        ledger.write(grant, account.id, nano_dollars, f"test:{name}", "", now=now)
    return account, ledger.write(key_for, account.id, wish, now)
