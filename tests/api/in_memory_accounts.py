"""Accounts that are kept in a dict: keys, balances, claims. What is held is taken off the balance at once."""

import secrets
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from serve_app.domain.account import (
    DEFAULT_SCOPES,
    Account,
    ApiKey,
    Grant,
    KeyWish,
    Limits,
    NewKey,
    Scope,
    Session,
    UsageBucket,
    UsageWish,
)
from serve_app.domain.accounts import Credentials, KeptAnswer, Visit
from serve_app.domain.answer import Usage
from serve_app.domain.errors import ServiceError, shown
from serve_app.domain.meter import Quote
from serve_app.domain.price import format_usd

KEY, ADMIN_KEY, EMBEDDING_KEY, NARROW_KEY = "rr_ada", "rr_admin", "rr_embeds", "rr_narrow"
EMAIL = "ada@example.org"
DOLLAR = 10**9
SIGNATURE = "signed"
LARGEST_KEPT = 10_000  # bytes
SESSION_S = 3_600.0


def key(key_id: str, account: str, *scopes: Scope, models: tuple[str, ...] = ()) -> ApiKey:
    return ApiKey(
        id=key_id,
        account=account,
        name=key_id,
        prefix="rr_",
        scopes=scopes or DEFAULT_SCOPES,
        models=models,
        cap=None,
        limits=Limits(),
        created=1_795_500_000.0,
        expires=None,
        revoked=None,
    )


def account(account_id: str, email: str) -> Account:
    return Account(account_id, email, 1_795_500_000.0, balance=DOLLAR, held=0, granted=DOLLAR)


@dataclass
class InMemoryAccounts:
    """events: what was asked, in order. asked: credentials of each visit. wishes: what the desk was asked for."""

    events: list[str] = field(default_factory=list)
    asked: list[Credentials] = field(default_factory=list)
    wishes: list[Any] = field(default_factory=list)
    claims: dict[tuple[str, str], tuple[bytes, KeptAnswer | None]] = field(default_factory=dict)
    references: dict[str, Grant] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    used: Sequence[UsageBucket] = ()
    accounts: dict[str, Account] = field(
        default_factory=lambda: {each.id: each for each in (account("acct_ada", EMAIL), account("acct_root", "root@x"))}
    )
    keys: dict[str, ApiKey] = field(
        default_factory=lambda: {
            KEY: key("key_ada", "acct_ada"),
            ADMIN_KEY: key("key_admin", "acct_root", *DEFAULT_SCOPES, "admin"),
            EMBEDDING_KEY: key("key_embeds", "acct_ada", "embeddings"),
            NARROW_KEY: key("key_narrow", "acct_ada", models=("another/model",)),
        }
    )

    @property
    def desk(self) -> "InMemoryDesk":
        return InMemoryDesk(self)

    @asynccontextmanager
    async def visit(
        self, credentials: Credentials, request_id: str, *, public: bool = False
    ) -> AsyncIterator["InMemoryVisit"]:
        self.events.append("visit")
        self.asked.append(credentials)
        visit = InMemoryVisit(self, credentials, self._key(credentials, public=public))
        try:
            yield visit
        finally:
            visit.unclaim()
            self.events.append("gone")

    def named(self, key: str) -> ApiKey:
        return next(each for each in self.keys.values() if each.id == key)

    def usable_key(self, secret: str) -> ApiKey:
        found = self.keys.get(secret)
        if found is None or found.revoked:
            raise ServiceError("invalid_api_key", "the API key is not known here")
        return found

    def _key(self, credentials: Credentials, *, public: bool) -> ApiKey | None:
        if credentials.key is not None:
            return self.usable_key(credentials.key)
        if credentials.session is not None:
            session = self.sessions.get(credentials.session)
            if session is None or session.expires <= time.time() or self.named(session.key.id).revoked:
                raise ServiceError("invalid_api_key", "the session has ended; sign in again")
            return self.named(session.key.id)
        if credentials.email is not None:
            for each in self.keys.values():
                if self.accounts[each.account].email == credentials.email:
                    return each
            raise ServiceError("forbidden", f"there is no account of {shown(credentials.email)}")
        if public or credentials.demo:
            return None
        raise ServiceError("missing_api_key", 'send a key as "Authorization: Bearer <key>"')


class InMemoryVisit:
    """See Visit. It is its own hold."""

    def __init__(self, kept: InMemoryAccounts, credentials: Credentials, by: ApiKey | None) -> None:
        self._all, self.key, self.free = kept, by, by is None
        self.tenant = by.account if by else credentials.address
        self._held, self._requests = 0, 9
        self._claim: tuple[tuple[str, str], bytes] | None = None
        self._kept: KeptAnswer | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        return {"x-ratelimit-limit-requests": "10", "x-ratelimit-remaining-requests": str(self._requests)}

    def require(self, scope: Scope) -> None:
        self._all.events.append(f"require {scope}")
        if self.key and scope not in self.key.scopes:
            raise ServiceError("forbidden", f"the key is not for {scope}; it is for {', '.join(self.key.scopes)}")

    def require_model(self, names: Collection[str]) -> None:
        self._all.events.append(f"require {' or '.join(names)}")
        if self.key and self.key.models and not set(self.key.models) & set(names):
            raise ServiceError("forbidden", f"the key is not for this model; it is for {', '.join(self.key.models)}")

    async def claim(self, key: str, fingerprint: bytes) -> KeptAnswer | None:
        self._all.events.append("claim")
        claim = (self.tenant, key)
        if claim in self._all.claims:
            taken, kept = self._all.claims[claim]
            if taken != fingerprint or kept is None:
                raise ServiceError("idempotency_conflict", f"the Idempotency-Key {shown(key)} is another request's")
            return kept
        self._all.claims[claim] = fingerprint, None
        self._claim = claim, fingerprint
        return None

    def keep(self, answer: KeptAnswer) -> None:
        self._all.events.append("keep")
        if len(answer.body) > LARGEST_KEPT:
            raise ServiceError("payload_too_large", "the answer is too large to be kept for its Idempotency-Key")
        self._kept = answer

    def unclaim(self) -> None:
        if self._claim:
            self._all.claims.pop(self._claim[0])

    async def authorise(self, quote: Quote) -> "InMemoryVisit":
        if self.key:
            found = self._all.accounts[self.key.account]
            if quote.nano_dollars > found.balance:
                have, need = format_usd(found.balance), format_usd(quote.nano_dollars)
                message = f"the balance of {have} dollars does not cover {need}"
                raise ServiceError("insufficient_credit", message)
            self._held = quote.nano_dollars
            self._change(-self._held)
        return self

    async def capture(self, usage: Usage) -> None:
        self._all.events.append("capture")
        self._change(self._held - usage.nano_dollars)
        self._held = 0
        if self._claim and self._kept:
            self._all.claims[self._claim[0]] = self._claim[1], self._kept
            self._claim = None

    async def release(self) -> None:
        self._all.events.append("release")
        self._change(self._held)
        self._held = 0

    def _change(self, nano_dollars: int) -> None:
        if self.key:
            found = self._all.accounts[self.key.account]
            self._all.accounts[found.id] = replace(found, balance=found.balance + nano_dollars)


class InMemoryDesk:
    """See Desk."""

    def __init__(self, kept: InMemoryAccounts) -> None:
        self._all = kept

    async def account(self, visit: Visit) -> Account:
        return self._all.accounts[visit.tenant]

    async def usage(self, visit: Visit, wish: UsageWish) -> Sequence[UsageBucket]:
        self._all.wishes.append(wish)
        return self._all.used

    async def keys(self, visit: Visit) -> Sequence[ApiKey]:
        return [each for each in self._all.keys.values() if each.account == visit.tenant]

    async def create_key(self, visit: Visit, wish: KeyWish) -> NewKey:
        self._all.wishes.append(wish)
        number = len(self._all.keys)
        made = replace(
            key(f"key_{number}", visit.tenant, *wish.scopes, models=wish.models),
            name=wish.name,
            cap=wish.cap,
            limits=wish.limits,
            expires=wish.expires,
        )
        secret = f"rr_secret{number}"
        self._all.keys[secret] = made
        return NewKey(made, secret)

    async def revoke_key(self, visit: Visit, key: str) -> ApiKey:
        for secret, each in self._all.keys.items():
            if (each.id, each.account) == (key, visit.tenant):
                self._all.keys[secret] = replace(each, revoked=time.time())
                return self._all.keys[secret]
        raise ServiceError("not_found", f"the account has no key {shown(key)}")

    async def grant(self, account: str, nano_dollars: int, reference: str, note: str) -> Grant:
        if reference in self._all.references:
            return replace(self._all.references[reference], again=True)
        found = next((each for each in self._all.accounts.values() if account in {each.id, each.email}), None)
        if found is None:
            raise ServiceError("not_found", f"there is no account {shown(account)}")
        balance = found.balance + nano_dollars
        self._all.accounts[found.id] = replace(found, balance=balance, granted=found.granted + nano_dollars)
        done = Grant(found.id, nano_dollars, reference, time.time(), balance, again=False)
        self._all.references[reference] = done
        return done

    async def sign_up(self, email: str, invite: str | None, address: str) -> tuple[Account, NewKey]:
        self._all.wishes.append((email, invite))
        made = account(f"acct_{len(self._all.accounts)}", email)
        self._all.accounts[made.id] = made
        first = key(f"key_{len(self._all.keys)}", made.id)
        secret = f"rr_secret{len(self._all.keys)}"
        self._all.keys[secret] = first
        return made, NewKey(first, secret)

    async def sign_in(self, key: str) -> Session:
        made = Session(secrets.token_urlsafe(), time.time() + SESSION_S, self._all.usable_key(key))
        self._all.sessions[made.secret] = made
        return made

    async def sign_out(self, session: str) -> None:
        self._all.sessions.pop(session, None)

    async def paid(self, payload: bytes, signature: str) -> Grant | None:
        self._all.wishes.append(payload)
        if signature != SIGNATURE:
            raise ServiceError("invalid_request", "the signature is not of this payload", "Stripe-Signature")
        return await self.grant("acct_ada", 25 * DOLLAR, "stripe", "") if b"paid" in payload else None
