"""Accounts with prepaid credit, as one gateway keeps them."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from serve_app.accounts.customers.lookup import Customer, Customers
from serve_app.accounts.customers.owners import checked_email, ensure_account
from serve_app.accounts.desk import AccountDesk
from serve_app.accounts.guests import DemoVisit, PublicVisit
from serve_app.accounts.ledger.clock import Clock
from serve_app.accounts.ledger.commits import Commits
from serve_app.accounts.ledger.presence import BEAT_S, DEAD_S, Presence
from serve_app.accounts.limits.demo import Demo
from serve_app.accounts.limits.rates import RateLimits, open_counters
from serve_app.accounts.storage.background import Background
from serve_app.accounts.storage.database import Database
from serve_app.accounts.visit import CustomerVisit
from serve_app.domain.account import Limits
from serve_app.domain.accounts import Credentials, Visit
from serve_app.domain.errors import ServiceError
from serve_app.settings import AccountsSettings

LEASE_SPARE_S = 10.0  # beyond the longest request, after which its place is taken for lost


class PrepaidAccounts:
    """See domain.accounts.Accounts. Made in any thread, used from one event loop, until closed."""

    def __init__(
        self,
        settings: AccountsSettings,
        *,
        longest_request_s: float,
        clock: Clock | None = None,
        beat_s: float = BEAT_S,
        dead_s: float = DEAD_S,
    ) -> None:
        """Bring the database to this version's form, and join the living gateways; where it is away, do so later.

        longest_request_s: that a request may take. beat_s, dead_s: see Presence. Raises UserError where there can be
        no such database.
        """
        self._settings = settings
        self._clock = clock or Clock()
        self._database = Database(settings.database)
        self._presence = Presence(
            self._database,
            self._clock,
            socket.gethostname(),
            beat_s=beat_s,
            dead_s=dead_s,
            longest_request_s=longest_request_s,
        )
        self._background = Background(self._database)
        self._lookups = Background(self._database)  # in threads of their own: no statement keeps a key from being found
        self._commits = Commits(self._database)
        self._customers = Customers(self._lookups.read)
        store = settings.limits_store.get_secret_value() if settings.limits_store else None
        self._counters = open_counters(store, lease_s=longest_request_s + LEASE_SPARE_S)
        self._limits = RateLimits(self._counters)
        self._own = Limits(**settings.limits.model_dump())
        self._demo = Demo(settings.demo, self._counters) if settings.demo else None
        self._desk = AccountDesk(settings, self._background, self._clock, self._counters, self._customers)

    @property
    def holds(self) -> int:
        """How many requests have credit set aside here at the moment."""
        return self._commits.holds

    @property
    def away(self) -> bool:
        """Whether the database could not be asked the last time."""
        return self._commits.away

    def tell(self, told: Callable[[str, float], object]) -> None:
        """Have someone told of each ledger operation: its name, and the seconds for which it was waited."""
        self._commits.told = told

    @property
    def desk(self) -> AccountDesk:
        """See Accounts."""
        return self._desk

    @asynccontextmanager
    async def visit(self, credentials: Credentials, request_id: str, *, public: bool = False) -> AsyncIterator[Visit]:
        """See Accounts."""
        customer = await self._customer(credentials)
        if customer is None:
            yield await self._guest(credentials, public=public)
            return
        subjects = [(f"account:{customer.account.id}", self._limits_of(customer))]
        if customer.key:
            subjects.append((f"key:{customer.key.id}", customer.key.limits))
        async with await self._limits.enter(subjects) as slot:
            visit = CustomerVisit(
                customer,
                self._presence.next_hold(),
                request_id,
                commits=self._commits,
                clock=self._clock,
                slot=slot,
            )
            try:
                yield visit
            finally:
                visit.leave()

    async def close(self) -> None:
        """Write what waits, release what is held, and end all threads."""
        await self._commits.close()
        await self._counters.close()
        self._presence.close()
        self._background.close()
        self._lookups.close()
        self._database.forget_connections()

    async def _customer(self, credentials: Credentials) -> Customer | None:
        if credentials.key is not None:
            return await self._customers.of_key(credentials.key)
        if credentials.session is not None:
            return await self._customers.of_session(credentials.session)
        if credentials.email is None:
            return None
        email = checked_email(credentials.email)
        customer = await self._customers.of_email(email)
        if customer is None and self._settings.sign_up == "open":
            welcome = self._settings.welcome_usd
            await self._background.write(ensure_account, email, self._clock.now(), welcome_usd=welcome)
            customer = await self._customers.of_email(email)
        if customer is None:
            raise ServiceError("forbidden", "there is no account of who has signed in; ask the operator for one")
        return customer

    async def _guest(self, credentials: Credentials, *, public: bool) -> Visit:
        if public:
            return PublicVisit(credentials.address)
        if self._demo and credentials.demo:
            await self._demo.enter(credentials.address)
            return DemoVisit(self._demo, credentials.address)
        message = "an API key is needed: send `Authorization: Bearer <key>`"
        raise ServiceError("missing_api_key", message)

    def _limits_of(self, customer: Customer) -> Limits:
        """The account's own limits, or where it has none those of the settings."""
        own, given = customer.account.limits, self._own
        return Limits(
            own.requests_per_minute or given.requests_per_minute,
            own.tokens_per_minute or given.tokens_per_minute,
            own.concurrent_requests or given.concurrent_requests,
        )
