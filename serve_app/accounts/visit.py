"""One request by someone with an account: what it may do, and how it pays."""

import asyncio
from collections.abc import Collection, Mapping

from serve_app.accounts.customers.lookup import Customer
from serve_app.accounts.ledger.claims import LARGEST_ANSWER
from serve_app.accounts.ledger.clock import Clock
from serve_app.accounts.ledger.commits import Commits
from serve_app.accounts.ledger.operations import Authorise, Capture, Claim, HoldOrder, Release, Unclaim, period_of
from serve_app.accounts.limits.rates import Slot
from serve_app.accounts.storage.database import AwayError
from serve_app.domain.account import Scope
from serve_app.domain.accounts import KeptAnswer
from serve_app.domain.answer import Usage
from serve_app.domain.errors import ServiceError, shown
from serve_app.domain.meter import Hold, Quote


class CustomerVisit:
    """See domain.accounts.Visit. number: of the hold that the request will have."""

    free = False

    def __init__(
        self, customer: Customer, number: int, request_id: str, *, commits: Commits, clock: Clock, slot: Slot
    ) -> None:
        self.customer = customer
        self._number, self._request_id = number, request_id
        self._commits, self._clock, self._slot = commits, clock, slot
        self._claimed = False
        self._kept: KeptAnswer | None = None

    @property
    def tenant(self) -> str:
        """See Visit."""
        return self.customer.account.id

    @property
    def headers(self) -> Mapping[str, str]:
        """See Visit."""
        return self._slot.headers()

    def require(self, scope: Scope) -> None:
        """See Visit."""
        if scope not in self.customer.scopes:
            given = ", ".join(self.customer.scopes)
            raise ServiceError("forbidden", f"the API key is not for {scope}; it is for {given}")

    def require_model(self, names: Collection[str]) -> None:
        """See Visit."""
        allowed = self.customer.key.models if self.customer.key else ()
        if allowed and not {name.lower() for name in allowed} & {name.lower() for name in names}:
            asked = next(iter(names), "")
            message = f"the API key is not for the model {shown(asked)}; it is for {', '.join(map(shown, allowed))}"
            raise ServiceError("forbidden", message, "model")

    async def claim(self, key: str, fingerprint: bytes) -> KeptAnswer | None:
        """See Visit."""
        claim = Claim(self.customer.account.id, key, fingerprint, self._number, self._clock.now())
        self._claimed = True  # even where nothing is heard of it: leaving gives it back
        try:
            outcome = await self._commits.done(claim)
        except AwayError:
            raise
        except ServiceError:
            self._claimed = False
            raise
        self._claimed = outcome is None
        assert not isinstance(outcome, ServiceError)
        return outcome

    def keep(self, answer: KeptAnswer) -> None:
        """See Visit."""
        if not self._claimed:
            return
        if len(answer.body) > LARGEST_ANSWER:
            most = f"with an Idempotency-Key it may have {LARGEST_ANSWER:,}"
            message = f"the answer has {len(answer.body):,} bytes; {most}"
            raise ServiceError("invalid_request", message, "Idempotency-Key")
        self._kept = answer

    async def authorise(self, quote: Quote) -> Hold:
        """See Meter."""
        await self._slot.take_tokens(quote.tokens)
        customer, now = self.customer, self._clock.now()
        key = customer.key
        order = HoldOrder(
            self._number,
            customer.account.id,
            key.id if key else "",
            quote.nano_dollars,
            now,
            cap=key.cap.nano_dollars if key and key.cap else None,
            period=period_of(key.cap, now) if key and key.cap else None,
        )
        try:
            await self._commits.done(Authorise(order))
        except (asyncio.CancelledError, AwayError):
            self._commits.soon(Release(order))  # it may be held, or not
            raise
        return _Hold(order, quote, self)

    def leave(self) -> None:
        """Give back what was claimed and not answered."""
        if self._claimed:
            self._commits.soon(Unclaim(self.customer.account.id, self._number))

    async def _capture(self, order: HoldOrder, quote: Quote, usage: Usage) -> None:
        capture = Capture(
            order,
            usage.nano_dollars,
            self._clock.now(),
            quote.model,
            quote.tier,
            usage.documents,
            usage.tokens,
            self._request_id,
            self._kept,
        )
        await self._commits.done(capture)

    def _release(self, order: HoldOrder) -> None:
        self._commits.soon(Release(order))


class _Hold:
    """See domain.meter.Hold."""

    def __init__(self, order: HoldOrder, quote: Quote, visit: CustomerVisit) -> None:
        self._order, self._quote, self._visit = order, quote, visit

    async def capture(self, usage: Usage) -> None:
        """See Hold."""
        await self._visit._capture(self._order, self._quote, usage)

    async def release(self) -> None:
        """See Hold. It is written in a moment, however long the database is away."""
        self._visit._release(self._order)
