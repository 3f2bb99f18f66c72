"""Shards to replicas and scores back. Plain asyncio: what a replica is, the caller says."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from serve_app.domain.errors import ServiceError
from serve_app.domain.passages import Passages
from serve_app.domain.shards import Shard, cut_shards, shard_count
from serve_app.scheduling.backlog import Backlog
from serve_app.service.pace import Pace
from serve_app.service.replicas import (
    ReplicaLostError,
    Replicas,
    ShardAnswer,
    ShardCall,
    ShardRefusal,
    ShardResults,
)
from serve_app.service.ticket import Ticket
from serve_app.settings import ShardingSettings

log = logging.getLogger("rayrank.dispatch")

# A shard that loses its replica this often may be what kills them.
SENDS = 5
FIRST_PAUSE_S = 0.05


class Dispatcher:
    """Has passages scored by the replicas of one model.

    backlog: the requests that are in work here. retries: how often a shard was lost and sent again.
    """

    def __init__(self, replicas: Replicas, limits: ShardingSettings) -> None:
        self.replicas, self.limits, self.pace = replicas, limits, Pace()
        self.backlog = Backlog[Ticket]()
        self.retries = 0

    @property
    def running(self) -> int:
        """How many replicas run now."""
        return len(self.replicas.backlogs())

    @property
    def tokens_per_s(self) -> float:
        """What all replicas together score in a second; 0 where that is not known."""
        one = self.pace.tokens_per_s
        if not one:
            known = [report.tokens_per_s for report in self.replicas.reports() if report.tokens_per_s]
            one = sum(known) / len(known) if known else 0.0
        return one * max(self.running, 1)

    @property
    def queue_s(self) -> float | None:
        """Seconds that all replicas together need for what waits; None where their rate is not known."""
        # The backlog has what was not sent yet, but only of this gateway; the replicas have what others sent, too.
        tokens = max(self.backlog.tokens, sum(self.replicas.backlogs()))
        if not tokens:
            return 0.0
        rate = self.tokens_per_s
        return tokens / rate if rate else None

    @asynccontextmanager
    async def request(self, ticket: Ticket) -> AsyncIterator["Spread"]:
        """One request, whose passages are added inside; all of them are scored at the end.

        A shard whose replica died is sent again. A failure of one shard, the deadline and a cancelled call cancel every
        shard that is out, and what runs inside.
        Raises ServiceError: deadline_exceeded, overloaded, unavailable, internal.
        """
        if ticket.deadline <= asyncio.get_running_loop().time():
            raise out_of_time()
        limit = asyncio.timeout_at(ticket.deadline)
        try:
            async with limit, asyncio.TaskGroup() as tasks:
                yield Spread(self, tasks, ticket)
        except TimeoutError:
            if limit.expired():
                raise out_of_time() from None
            raise
        except ExceptionGroup as failures:
            # One answer can be given; the shards' failures are alike.
            raise failures.exceptions[0] from None


@dataclass(slots=True)
class Wave:
    """Passages that were added together, and what is known of them: (count,) or (count, width) once something is.

    documents: int32 (count,), ascending: index of each one's text, all of whose passages are in this wave.
    """

    documents: NDArray[np.int32]
    results: NDArray[np.float32] | None = None
    _open: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self._open = np.ones(self.count, dtype=np.bool_)

    @property
    def count(self) -> int:
        """How many passages it has."""
        return self.documents.size

    @property
    def texts_done(self) -> int:
        """How many texts have the results of all of their passages."""
        return _different(self.documents) - _different(self.documents[self._open])

    def fill(self, indices: NDArray[np.intp], results: NDArray[np.float32]) -> None:
        """Take the results of some of the passages."""
        if self.results is None:
            self.results = np.empty((self.count, *results.shape[1:]), dtype=np.float32)
        self.results[indices] = results
        self._open[indices] = False


class Spread:
    """One request's passages over the replicas.

    queue_s: the longest that a shard has waited for its replica's device. began: when the first passages were added, on
    the event loop's clock; None before.
    """

    def __init__(self, dispatcher: Dispatcher, tasks: asyncio.TaskGroup, ticket: Ticket) -> None:
        self._dispatcher, self._tasks, self._ticket = dispatcher, tasks, ticket
        self._replicas, self._limits, self._pace = dispatcher.replicas, dispatcher.limits, dispatcher.pace
        self._waves: list[Wave] = []
        self.queue_s = 0.0
        self.began: float | None = None
        self._out = self._shards = 0
        self._landed = asyncio.Condition()

    @property
    def results(self) -> NDArray[np.float32]:
        """Of every passage, in the order they were added: (passages,) or (passages, width). Whole once all is over."""
        waves = [wave.results for wave in self._waves if wave.results is not None]
        return np.concatenate(waves) if waves else np.empty(0, dtype=np.float32)

    @property
    def texts_done(self) -> int:
        """How many texts have their results. Counted when it is asked for: shards have no work of it."""
        return sum(wave.texts_done for wave in self._waves)

    def add(self, passages: Passages, request_tokens: int | None = None) -> None:
        """Have passages scored from now on, while more may be added.

        request_tokens: of the whole request, as far as it is known; None where these are all of it.
        """
        tokens = passages.computed_tokens
        count = shard_count(
            tokens,
            self._backlogs(),
            call_tokens=self._pace.call_tokens,
            min_shard_tokens=self._limits.min_tokens,
            max_shard_tokens=self._limits.max_tokens,
        )
        wave = Wave(passages.documents)
        self._waves.append(wave)
        self.began = self.began or asyncio.get_running_loop().time()
        for shard, indices in cut_shards(passages, count):
            self._shards += 1
            self._tasks.create_task(self._fill(wave, indices, shard, request_tokens or tokens, self._shards))

    def _backlogs(self) -> list[float]:
        """Tokens that each replica that runs scores before this request's."""
        rate = self._pace.tokens_per_s
        ahead = self._ticket.delay_s * rate if rate else math.inf
        return [min(backlog, ahead) for backlog in self._replicas.backlogs()]

    async def _fill(
        self, wave: Wave, indices: NDArray[np.intp], shard: Shard, request_tokens: int, shard_id: int
    ) -> None:
        async with self._landed:
            await self._landed.wait_for(self._has_room)
            self._out += 1
        try:
            wave.fill(indices, await self._score(shard, request_tokens, shard_id))
        finally:
            self._out -= 1
            async with self._landed:
                self._landed.notify_all()

    def _has_room(self) -> bool:
        return self._out < max(len(self._replicas.backlogs()), 1) * self._limits.in_flight

    async def _score(self, shard: Shard, request_tokens: int, shard_id: int) -> NDArray[np.float32]:
        for attempt in range(SENDS):
            try:
                answer = await self._send(shard, request_tokens, shard_id)
                break
            except ReplicaLostError:
                self._dispatcher.retries += 1
                told = {"request_id": self._ticket.request_id, "shard_id": shard_id, "attempt": attempt + 1}
                log.warning("replica lost", extra=told)
                # Serve does not retry a call whose replica died; scoring changes nothing, so it may run twice.
                await asyncio.sleep(FIRST_PAUSE_S * attempt**2)
        else:
            raise ServiceError("unavailable", "the model's replicas are restarting", retry_after_s=5)
        if isinstance(answer, ShardRefusal):
            raise ServiceError(answer.code, answer.message, retry_after_s=answer.retry_after_s)
        if len(answer.results) != shard.lengths.size:
            raise ServiceError("internal", f"{len(answer.results)} results came back for {shard.lengths.size} passages")
        self.queue_s = max(self.queue_s, answer.queue_s)
        self._dispatcher.backlog.take(self._ticket.caller, self._ticket, shard.total_tokens)
        return answer.results

    async def _send(self, shard: Shard, request_tokens: int, shard_id: int) -> ShardAnswer:
        clock, ticket = asyncio.get_running_loop().time, self._ticket
        began = clock()
        try:
            with ticket.trace.part("shard", id=shard_id, tokens=shard.total_tokens) as part:
                timeout_s, names = ticket.deadline - began, (ticket.request_id, shard_id, part.context)
                call = ShardCall(shard, timeout_s, ticket.caller, request_tokens, *names)
                answer = await self._replicas.send(call)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # Cancelled at the other end: a replica that shuts down. TaskGroup would take it for our own wish.
            raise ReplicaLostError from None
        if isinstance(answer, ShardResults):
            self._pace.learn(clock() - began - answer.seconds, answer.tokens_per_s)
        return answer


def _different(ascending: NDArray[np.int32]) -> int:
    """How many different numbers there are; a tenth of the time that numpy.unique takes."""
    return int(np.count_nonzero(np.diff(ascending))) + (ascending.size > 0)


def out_of_time() -> ServiceError:
    """The answer to a request whose deadline has passed."""
    return ServiceError("deadline_exceeded", "the request's time ran out before it was scored")
