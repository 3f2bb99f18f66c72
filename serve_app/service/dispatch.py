"""Shards to replicas and scores back. Plain asyncio: what a replica is, the caller says."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from serve_app.domain.caller import Caller
from serve_app.domain.errors import ServiceError
from serve_app.domain.passages import Passages
from serve_app.domain.shards import Shard, cut_shards, shard_count
from serve_app.service.pace import Pace

# A shard that loses its replica so often may be what kills them.
SENDS = 5
FIRST_PAUSE_S = 0.05


class ReplicaLostError(Exception):
    """The replica died with a shard in its hands, or there was none to take it."""


@dataclass(frozen=True, slots=True)
class ShardCall:
    """A shard on its way to a replica.

    timeout_s: what is left of the request's time. request_tokens: of the whole request, as far as it is known.
    """

    shard: Shard
    timeout_s: float
    caller: Caller
    request_tokens: int


@dataclass(frozen=True, slots=True)
class ShardResults:
    """What a replica made of a shard.

    results: float32, as engine.scoring.shard_results gives them. seconds: how long it had the shard, queue_s: before
    the device took the first of it. queued_tokens: at the replica now. tokens_per_s: of its device; 0 where it does not
    know.
    """

    results: NDArray[np.float32]
    seconds: float
    queue_s: float
    queued_tokens: int
    tokens_per_s: float


@dataclass(frozen=True, slots=True)
class ShardRefusal:
    """A replica's word that it did not score a shard: a value, because Serve logs an exception as a crash.

    code: of ServiceError.
    """

    code: str
    message: str
    retry_after_s: float | None = None


ShardAnswer = ShardResults | ShardRefusal


class Replicas(Protocol):
    """The replicas of one model."""

    async def send(self, call: ShardCall) -> ShardAnswer:
        """Have a replica score a shard. Raises ReplicaLostError."""
        ...

    def backlogs(self) -> list[int]:
        """Tokens that are out at each replica that runs now."""
        ...


@dataclass(frozen=True, slots=True)
class ShardLimits:
    """How requests are cut: see the settings of the same names."""

    min_shard_tokens: int
    max_shard_tokens: int
    shards_in_flight: int


class Dispatcher:
    """Has passages scored by the replicas of one model."""

    def __init__(self, replicas: Replicas, limits: ShardLimits) -> None:
        self.replicas, self.limits, self.pace = replicas, limits, Pace()

    @property
    def running(self) -> int:
        """How many replicas run now."""
        return len(self.replicas.backlogs())

    @asynccontextmanager
    async def request(self, deadline: float, caller: Caller, wait_s: float = math.inf) -> AsyncIterator["Spread"]:
        """One request, whose passages are added inside; all of them are scored at the end.

        deadline: on the event loop's clock. wait_s: until it has its turn, which may be soon though replicas have much
        to do for others. A shard whose replica died is sent again. A failure of one shard, the
        deadline and a cancelled call cancel every shard that is out, and what runs inside.
        Raises ServiceError: deadline_exceeded, overloaded, unavailable, internal.
        """
        if deadline <= asyncio.get_running_loop().time():
            raise _out_of_time()
        try:
            async with asyncio.timeout_at(deadline), asyncio.TaskGroup() as tasks:
                yield Spread(self, tasks, deadline, caller, wait_s)
        except TimeoutError:
            raise _out_of_time() from None
        except ExceptionGroup as failures:
            # One answer can be given; the shards' failures are alike.
            raise failures.exceptions[0] from None


@dataclass(slots=True)
class Wave:
    """Passages that were added together, and what is known of them: (count,) or (count, width) once something is."""

    count: int
    results: NDArray[np.float32] | None = None

    def fill(self, indices: NDArray[np.intp], results: NDArray[np.float32]) -> None:
        """Take the results of some of the passages."""
        if self.results is None:
            self.results = np.empty((self.count, *results.shape[1:]), dtype=np.float32)
        self.results[indices] = results


class Spread:
    """One request's passages over the replicas.

    queue_s: the longest that a shard has waited for its replica's device. began: when the first passages were added, on
    the event loop's clock; None before.
    """

    def __init__(
        self, dispatcher: Dispatcher, tasks: asyncio.TaskGroup, deadline: float, caller: Caller, wait_s: float
    ) -> None:
        self._replicas, self._limits, self._pace = dispatcher.replicas, dispatcher.limits, dispatcher.pace
        self._tasks, self._deadline, self._caller, self._wait_s = tasks, deadline, caller, wait_s
        self._waves: list[Wave] = []
        self.queue_s = 0.0
        self.began: float | None = None
        self._out = 0
        self._landed = asyncio.Condition()

    @property
    def results(self) -> NDArray[np.float32]:
        """Of every passage, in the order they were added: (passages,) or (passages, width). Whole once all is over."""
        waves = [wave.results for wave in self._waves if wave.results is not None]
        return np.concatenate(waves) if waves else np.empty(0, dtype=np.float32)

    def add(self, passages: Passages, request_tokens: int | None = None) -> None:
        """Have passages scored from now on, while more may be added.

        request_tokens: of the whole request, as far as it is known; None where these are all of it.
        """
        tokens = passages.total_tokens
        count = shard_count(
            tokens,
            self._backlogs(),
            call_tokens=self._pace.call_tokens,
            min_shard_tokens=self._limits.min_shard_tokens,
            max_shard_tokens=self._limits.max_shard_tokens,
        )
        wave = Wave(len(passages.token_ids))
        self._waves.append(wave)
        self.began = self.began or asyncio.get_running_loop().time()
        for shard, indices in cut_shards(passages, count):
            self._tasks.create_task(self._fill(wave, indices, shard, request_tokens or tokens))

    def _backlogs(self) -> list[float]:
        """Tokens that each replica that runs scores before this request's."""
        rate = self._pace.tokens_per_s
        ahead = self._wait_s * rate if rate else math.inf
        return [min(backlog, ahead) for backlog in self._replicas.backlogs()]

    async def _fill(self, wave: Wave, indices: NDArray[np.intp], shard: Shard, request_tokens: int) -> None:
        async with self._landed:
            await self._landed.wait_for(self._has_room)
            self._out += 1
        try:
            wave.fill(indices, await self._score(shard, request_tokens))
        finally:
            self._out -= 1
            async with self._landed:
                self._landed.notify_all()

    def _has_room(self) -> bool:
        return self._out < max(len(self._replicas.backlogs()), 1) * self._limits.shards_in_flight

    async def _score(self, shard: Shard, request_tokens: int) -> NDArray[np.float32]:
        for attempt in range(SENDS):
            try:
                answer = await self._send(shard, request_tokens)
                break
            except ReplicaLostError:
                # Serve does not retry a call whose replica died; scoring changes nothing, so it may run twice.
                await asyncio.sleep(FIRST_PAUSE_S * attempt**2)
        else:
            raise ServiceError("unavailable", "the model's replicas are restarting", retry_after_s=5)
        if isinstance(answer, ShardRefusal):
            raise ServiceError(answer.code, answer.message, retry_after_s=answer.retry_after_s)
        if len(answer.results) != shard.lengths.size:
            raise ServiceError("internal", f"{len(answer.results)} results came back for {shard.lengths.size} passages")
        self.queue_s = max(self.queue_s, answer.queue_s)
        return answer.results

    async def _send(self, shard: Shard, request_tokens: int) -> ShardAnswer:
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            call = ShardCall(shard, self._deadline - began, self._caller, request_tokens)
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


def _out_of_time() -> ServiceError:
    return ServiceError("deadline_exceeded", "the request's time ran out before it was scored")
