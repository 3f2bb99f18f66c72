"""Whether a request is taken, and what it holds while it is in work."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from serve_app.domain.answer import Usage
from serve_app.domain.errors import ServiceError
from serve_app.domain.meter import Hold, Quote
from serve_app.domain.terms import Terms
from serve_app.service.dispatch import Dispatcher, out_of_time
from serve_app.service.served import ServedModel
from serve_app.service.ticket import Ticket
from serve_app.settings import QueueSettings


@dataclass(frozen=True, slots=True)
class Demand:
    """What a request asks for, at most.

    tokens: that the replicas will score, an estimate; None for a request that needs no replica. documents: that can be
    billed. nano_dollars: the highest price that it can have.
    """

    tokens: int | None
    documents: int
    nano_dollars: int


class Credit:
    """A caller's credit for one request: held from the start on, and either captured or given back.

    Neither is cut in two by the request's deadline or by a client that hangs up: credit must not stay held, nor be
    charged for an answer that is then withheld. So what is captured while its client hangs up is released, too.
    """

    def __init__(self, holding: asyncio.Task[Hold], limit: asyncio.Timeout) -> None:
        """`limit`: the request's deadline."""
        self._holding, self._limit = holding, limit
        self._capturing: asyncio.Task[None] | None = None
        self._captured = False

    async def held(self) -> None:
        """Return when the caller is known to be able to pay. Raises ServiceError."""
        await asyncio.shield(self._holding)

    async def capture(self, usage: Usage) -> None:
        """Charge what was used. Raises ServiceError."""
        self._end_deadline()
        self._capturing = asyncio.create_task(self._capture(usage), name="capture")
        await asyncio.shield(self._capturing)
        self._captured = True

    async def give_back(self) -> None:
        """Release what was not captured."""
        if self._captured:
            return
        self._end_deadline()
        settling = asyncio.create_task(self._settle(), name="give back")
        try:
            await asyncio.shield(settling)
        except asyncio.CancelledError:
            await asyncio.wait({settling})
            raise

    def _end_deadline(self) -> None:
        if not self._limit.expired():
            self._limit.reschedule(None)

    async def _capture(self, usage: Usage) -> None:
        hold = await self._holding
        await hold.capture(usage)

    async def _settle(self) -> None:
        if self._capturing is not None:
            await asyncio.wait({self._capturing})
            if not self._capturing.cancelled():
                self._capturing.exception()  # was told, or its caller is gone
        self._holding.cancel()
        await asyncio.wait({self._holding})
        if not self._holding.cancelled() and self._holding.exception() is None:
            await self._holding.result().release()


class Admission:
    """The way into work of one gateway."""

    def __init__(self, limits: QueueSettings) -> None:
        self._limits = limits
        self._requests = 0

    @asynccontextmanager
    async def job(self, model: ServedModel, demand: Demand, terms: Terms) -> AsyncIterator[tuple[Ticket, Credit]]:
        """Have a request in work; leaving releases all that it holds.

        It holds, in this order: a place among the requests in work, a replica that runs or was woken, a turn in line,
        and credit for the most that it can cost. All of it, and what runs inside, ends at the request's deadline.
        Raises ServiceError: overloaded, model_cold, unavailable, deadline_exceeded, and what its meter raises.
        """
        loop = asyncio.get_running_loop()
        began = loop.time() if terms.began is None else terms.began
        if began + terms.timeout_s <= loop.time():
            raise out_of_time()
        with self._place():
            limit = asyncio.timeout_at(began + terms.timeout_s)
            try:
                async with limit:
                    if demand.tokens is not None:
                        await _woken(model, terms, limit)
                    with self._in_line(model.dispatcher, demand, terms, _when(limit)) as ticket:
                        async with _held(model.card.id, demand, terms, limit) as credit:
                            yield ticket, credit
            except TimeoutError:
                if limit.expired():
                    raise out_of_time() from None
                raise

    @contextmanager
    def _place(self) -> Iterator[None]:
        if self._requests >= self._limits.max_concurrent_requests:
            message = f"{self._requests} requests are in work here, the most that are allowed; try again"
            raise ServiceError("overloaded", message, retry_after_s=1)
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1

    @contextmanager
    def _in_line(self, dispatcher: Dispatcher, demand: Demand, terms: Terms, deadline: float) -> Iterator[Ticket]:
        """Count a request among those that wait for the model's replicas."""
        ticket = Ticket(deadline, terms.caller, terms.request_id, demand.tokens or 0, trace=terms.trace)
        if demand.tokens is None:
            yield ticket
            return
        rate, backlog = dispatcher.tokens_per_s, dispatcher.backlog
        now = asyncio.get_running_loop().time()
        alone_s = demand.tokens / rate if rate else 0.0
        ticket.rank = now + alone_s
        ticket.delay_s = backlog.delay_s(terms.caller, ticket.rank, demand.tokens, rate)
        _require_in_time(ticket.delay_s, min(self._limits.max_wait_s, _most_delay_s(deadline - now, alone_s)))
        if terms.caller not in backlog and len(backlog) >= self._limits.max_tenants:
            message = f"{len(backlog):,} tenants have requests in work, the most that are allowed; try again"
            raise ServiceError("overloaded", message, retry_after_s=1)
        backlog.add(terms.caller, ticket)
        try:
            yield ticket
        finally:
            backlog.discard(terms.caller, ticket)


@asynccontextmanager
async def _held(model: str, demand: Demand, terms: Terms, limit: asyncio.Timeout) -> AsyncIterator[Credit]:
    quote = Quote(model, terms.caller.tier, demand.tokens or 0, demand.documents, demand.nano_dollars)
    # Beside the tokenising: a database takes about as long as that.
    credit = Credit(asyncio.create_task(terms.meter.authorise(quote), name="authorise"), limit)
    try:
        yield credit
    finally:
        await credit.give_back()


async def _woken(model: ServedModel, terms: Terms, limit: asyncio.Timeout) -> None:
    """Wait until the model runs, or is about to again: of the time for a cold model, not of the work's."""
    loop = asyncio.get_running_loop()
    deadline, began = _when(limit), loop.time()
    limit.reschedule(deadline + terms.wait_s)
    await model.availability.require(terms.wait_s)
    limit.reschedule(deadline + min(loop.time() - began, terms.wait_s))


def _when(limit: asyncio.Timeout) -> float:
    when = limit.when()
    assert when is not None
    return when


def _most_delay_s(left_s: float, alone_s: float) -> float:
    """By how much others may delay a request that has this much time left and takes this long alone.

    Half of what is left: callers that come later share, too, and under steady overload that doubles the delay.
    """
    return max(left_s - alone_s, 0.0) / 2


def _require_in_time(delay_s: float, limit_s: float) -> None:
    if delay_s > limit_s:
        message = f"others would delay the request by {delay_s:.1f} s; the limit is {limit_s:.1f} s"
        raise ServiceError("overloaded", message, retry_after_s=math.ceil(delay_s))
