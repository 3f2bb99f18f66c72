"""Who a request's key or session, or the proxy in front, says that it is from."""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from serve_app.accounts.customers.keys import check_form, digest, find_key, require_usable
from serve_app.accounts.customers.owners import find_account, require_account
from serve_app.accounts.customers.sessions import ended, find_session, may_be_session
from serve_app.accounts.storage.database import AwayError
from serve_app.domain.account import DEFAULT_SCOPES, Account, ApiKey, Scope
from serve_app.domain.errors import ServiceError

FRESH_S = 2.5  # for which a key is not looked up again: within it a revocation is known everywhere
PATIENCE_S = 3.0
MOST = 10_000  # that are remembered

Read = Callable[..., Awaitable["Found"]]


@dataclass(frozen=True, slots=True)
class Found:
    """A key and its account, or an account alone; None for what there is not. ends: when the session does, in one."""

    account: Account | None
    key: ApiKey | None
    ends: float = math.inf


@dataclass(frozen=True, slots=True)
class Customer:
    """Someone with an account. key: None for one whom a proxy has signed in."""

    account: Account
    key: ApiKey | None

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """What the customer may do."""
        return DEFAULT_SCOPES if self.key is None else self.key.scopes


class Customers:
    """Finds customers, and remembers them for a moment. Used from one event loop.

    Who asks for the same at once shares one query. While the database is away one query at a time asks whether it is
    back, and all others are refused at once.

    read: runs a query in a thread. patience_s: an answer that takes longer is none.
    """

    def __init__(self, read: Read, *, fresh_s: float = FRESH_S, patience_s: float = PATIENCE_S) -> None:
        self._read, self._fresh_s, self._patience_s = read, fresh_s, patience_s
        self._found: OrderedDict[bytes, tuple[float, Found]] = OrderedDict()
        self._looking: dict[bytes, asyncio.Task[Found]] = {}
        self._is_away = False

    async def of_key(self, secret: str) -> Customer:
        """Whose key it is. Raises ServiceError: invalid_api_key, unavailable."""
        check_form(secret)
        found = await self._remembered(digest(secret), _key_and_account, secret)
        key = require_usable(found.key, time.time())
        assert found.account is not None
        return Customer(found.account, key)

    async def of_session(self, secret: str) -> Customer:
        """Whose session it is; the customer has its key. Raises ServiceError: invalid_api_key, unavailable."""
        if not may_be_session(secret):
            raise ended()
        found = await self._remembered(_session_name(secret), _session_and_account, secret)
        now = time.time()
        if found.account is None or found.ends <= now:
            raise ended()
        try:
            return Customer(found.account, require_usable(found.key, now))
        except ServiceError:
            raise ended() from None

    def forget_session(self, secret: str) -> None:
        """Look a session up again when it is next asked for. What is being looked up is not remembered, either."""
        name = _session_name(secret)
        self._found.pop(name, None)
        self._looking.pop(name, None)

    async def of_email(self, email: str) -> Customer | None:
        """Who has this email. Raises ServiceError unavailable."""
        found = await self._remembered(b"@" + email.encode(), _account_alone, email)
        return None if found.account is None else Customer(found.account, None)

    async def _remembered(self, name: bytes, query: Callable[[Connection, str], Found], asked: str) -> Found:
        now = asyncio.get_running_loop().time()
        if (known := self._found.get(name)) and known[0] > now:
            return known[1]
        looking = self._looking.get(name)
        if looking is None:
            if self._is_away and self._looking:
                raise AwayError("it has not answered yet")
            looking = self._looking[name] = asyncio.create_task(self._look(name, query, asked))
        try:
            async with asyncio.timeout(self._patience_s):
                return await asyncio.shield(looking)
        except TimeoutError:
            self._is_away = True
            raise AwayError(f"it has not answered in {self._patience_s:g} s") from None

    async def _look(self, name: bytes, query: Callable[[Connection, str], Found], asked: str) -> Found:
        began = asyncio.get_running_loop().time()
        try:
            found = await self._read(query, asked)
        except AwayError:
            self._is_away = True
            raise
        finally:
            was_forgotten = self._looking.get(name) is not asyncio.current_task()
            if not was_forgotten:
                del self._looking[name]
        self._is_away = False
        if found.account is not None and not was_forgotten:  # what there is not may be made at any moment
            self._found[name] = began + self._fresh_s, found
            self._found.move_to_end(name)
            if len(self._found) > MOST:
                self._found.popitem(last=False)
        return found


def _key_and_account(connection: Connection, secret: str) -> Found:
    key = find_key(connection, secret)
    return Found(require_account(connection, key.account) if key else None, key)


def _session_and_account(connection: Connection, secret: str) -> Found:
    session = find_session(connection, secret)
    if session is None:
        return Found(None, None)
    key, ends = session
    return Found(require_account(connection, key.account), key, ends)


def _session_name(secret: str) -> bytes:
    return b"session:" + digest(secret)


def _account_alone(connection: Connection, email: str) -> Found:
    return Found(find_account(connection, email), None)
