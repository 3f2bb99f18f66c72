"""What owners of accounts, and administrators, ask for over HTTP: the same functions as the command line's."""

import time
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from serve_app.accounts.customers.invites import require_invite, use_invite
from serve_app.accounts.customers.keys import create_key, list_keys, revoke_key
from serve_app.accounts.customers.lookup import Customer, Customers
from serve_app.accounts.customers.owners import grant, open_account, require_account
from serve_app.accounts.customers.sessions import begin_session, end_session, find_session, may_be_session
from serve_app.accounts.ledger.clock import Clock
from serve_app.accounts.ledger.usage import usage_of
from serve_app.accounts.limits.counters import Away, Counters, Window
from serve_app.accounts.payments import check_signature, payment_in
from serve_app.accounts.storage.background import Background
from serve_app.accounts.visit import CustomerVisit
from serve_app.domain.account import Account, ApiKey, Grant, KeyWish, Limits, NewKey, Session, UsageBucket, UsageWish
from serve_app.domain.accounts import Visit
from serve_app.domain.errors import ServiceError, shown
from serve_app.settings import AccountsSettings

SIGN_UPS, DAY_S = 5, 86_400.0  # accounts that one address may open in a day
FIRST_KEY = KeyWish(name="first key")


class AccountDesk:
    """See domain.accounts.Desk."""

    def __init__(
        self,
        settings: AccountsSettings,
        background: Background,
        clock: Clock,
        counters: Counters,
        customers: Customers,
    ) -> None:
        self._settings, self._background, self._clock = settings, background, clock
        self._counters, self._customers = counters, customers

    async def account(self, visit: Visit) -> Account:
        """See Desk."""
        return await self._background.read(require_account, _customer(visit).account.id)

    async def usage(self, visit: Visit, wish: UsageWish) -> Sequence[UsageBucket]:
        """See Desk."""
        return await self._background.read(usage_of, _customer(visit).account.id, wish)

    async def keys(self, visit: Visit) -> Sequence[ApiKey]:
        """See Desk."""
        return await self._background.read(list_keys, _customer(visit).account.id)

    async def create_key(self, visit: Visit, wish: KeyWish) -> NewKey:
        """See Desk."""
        customer = _customer(visit)
        wish = _within(wish, customer)
        made_by = customer.key.id if customer.key else None
        return await self._background.write(create_key, customer.account.id, wish, self._clock.now(), made_by)

    async def revoke_key(self, visit: Visit, key: str) -> ApiKey:
        """See Desk."""
        return await self._background.write(revoke_key, _customer(visit).account.id, key, self._clock.now())

    async def grant(self, account: str, nano_dollars: int, reference: str, note: str) -> Grant:
        """See Desk."""
        now = self._clock.now()
        return await self._background.write(grant, account, nano_dollars, reference, note, now=now)

    async def sign_up(self, email: str, invite: str | None, address: str) -> tuple[Account, NewKey]:
        """See Desk."""
        if self._settings.sign_up == "closed":
            raise ServiceError("forbidden", "sign-up is closed here; ask the operator for an account")
        if self._settings.sign_up == "invite" and not invite:
            raise ServiceError("forbidden", "an invite is needed to sign up here", "invite")
        code = invite if self._settings.sign_up == "invite" else None
        if code is None:
            await self._require_few(address)
        return await self._background.write(self._sign_up, email, code, self._clock.now())

    async def sign_in(self, key: str) -> Session:
        """See Desk."""
        found = (await self._customers.of_key(key)).key  # first: who has no key writes nothing
        assert found is not None
        hours = self._settings.session_hours
        return await self._background.write(begin_session, found, self._clock.now(), hours)

    async def sign_out(self, session: str) -> None:
        """See Desk."""
        if not may_be_session(session):
            return
        known = await self._background.read(find_session, session)
        if known is not None:  # who has no session writes nothing
            await self._background.write(end_session, session)
        self._customers.forget_session(session)

    async def paid(self, payload: bytes, signature: str) -> Grant | None:
        """See Desk."""
        if self._settings.webhook_secret is None:
            raise ServiceError("not_found", "no payment provider is set up here: accounts.webhook_secret")
        check_signature(payload, signature, self._settings.webhook_secret.get_secret_value(), time.time())
        payment = payment_in(payload)
        if payment is None:
            return None
        return await self.grant(payment.account, payment.nano_dollars, payment.reference, payment.note)

    async def _require_few(self, address: str) -> None:
        """Raise ServiceError where an address has opened as many accounts as it may in a day."""
        try:
            count = await self._counters.take([Window(f"sign-up:{address}", SIGN_UPS, DAY_S)])
        except Away as error:
            message = "sign-up is closed for the moment: what an address has opened cannot be counted"
            raise ServiceError("unavailable", message, retry_after_s=error.retry_after_s) from None
        if not count.taken:
            message = f"an address may open {SIGN_UPS} accounts a day; ask the operator for more"
            raise ServiceError("rate_limited", message, retry_after_s=count.ends_s[0])

    def _sign_up(self, connection: Connection, email: str, invite: str | None, now: int) -> tuple[Account, NewKey]:
        if invite is not None:
            require_invite(connection, invite, now)  # first: who has none learns nothing of who has an account
        account = open_account(connection, email, now, welcome_usd=self._settings.welcome_usd)
        if invite is not None:
            use_invite(connection, invite, account.id, now)
        return account, create_key(connection, account.id, FIRST_KEY, now)


def _customer(visit: Visit) -> Customer:
    if not isinstance(visit, CustomerVisit):
        raise ServiceError("missing_api_key", "an API key is needed here")
    return visit.customer


def _within(wish: KeyWish, customer: Customer) -> KeyWish:
    """A wish for a key that is good for no more than the key it is asked with. Raises ServiceError forbidden."""
    if extra := [scope for scope in wish.scopes if scope not in customer.scopes]:
        message = f"scopes may be of the key's own, {', '.join(customer.scopes)}; got {shown(extra[0])}"
        raise ServiceError("forbidden", message, "scopes")
    key = customer.key
    if key is None:
        return wish
    if key.cap or key.limits != Limits():
        what = "a spending cap" if key.cap else "limits of its own"
        raise ServiceError("forbidden", f"a key with {what} makes no keys: each would have as much again")
    if key.expires is not None and (wish.expires is None or wish.expires > key.expires):
        raise ServiceError("forbidden", "expires must not be later than the key's own", "expires")
    if not key.models:
        return wish
    if others := [name for name in wish.models if name.lower() not in {own.lower() for own in key.models}]:
        message = f"models may be of the key's own, {', '.join(map(shown, key.models))}; got {shown(others[0])}"
        raise ServiceError("forbidden", message, "models")
    return replace(wish, models=wish.models or key.models)
