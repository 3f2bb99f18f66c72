"""Shards to replicas and scores back. Plain asyncio: what a replica is, the caller says."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serve_app.api.errors import APIError
from serve_app.ranking.merge import Scores
from serve_app.ranking.passages import Passages
from serve_app.ranking.shards import Shard, cut_shards, shard_count


class ReplicaLostError(Exception):
    """The replica died with a shard in its hands, or there was none to take it."""


@dataclass(frozen=True, slots=True)
class ShardRefusal:
    """A replica's word that it did not score a shard: a value, because Serve logs an exception as a crash.

    code: of APIError.
    """

    code: str
    message: str
    retry_after_s: float | None = None


ShardAnswer = Scores | ShardRefusal
Send = Callable[[Shard, float], Awaitable[ShardAnswer]]


@dataclass(frozen=True, slots=True)
class ShardLimits:
    """How requests are cut: see the settings of the same names."""

    min_shard_tokens: int
    max_shard_tokens: int
    shards_in_flight: int


class Dispatcher:
    """Scores passages on the replicas of one model.

    send: takes a shard and the seconds left to one replica; raises ReplicaLostError. replicas: how many run now.
    """

    def __init__(self, send: Send, replicas: Callable[[], int], limits: ShardLimits) -> None:
        self._send, self._replicas, self._limits = send, replicas, limits

    async def score(self, passages: Passages, deadline: float) -> Scores:
        """A score for each passage, float32 (passages,).

        deadline: on the event loop's clock. A shard whose replica died is sent once more. A failure of one shard, the
        deadline and a cancelled call cancel every shard that is out.
        Raises APIError: deadline_exceeded, overloaded, unavailable, internal.
        """
        if deadline <= asyncio.get_running_loop().time():
            raise _out_of_time()
        replicas, limits = max(self._replicas(), 1), self._limits
        count = shard_count(
            passages.total_tokens,
            replicas,
            min_shard_tokens=limits.min_shard_tokens,
            max_shard_tokens=limits.max_shard_tokens,
        )
        window = asyncio.Semaphore(replicas * limits.shards_in_flight)
        scores = np.empty(len(passages.token_ids), dtype=np.float32)

        async def score_shard(shard: Shard, indices: NDArray[np.intp]) -> None:
            async with window:
                scores[indices] = await self._score_shard(shard, deadline)

        try:
            async with asyncio.timeout_at(deadline), asyncio.TaskGroup() as tasks:
                for shard, indices in cut_shards(passages, count):
                    tasks.create_task(score_shard(shard, indices))
        except TimeoutError:
            raise _out_of_time() from None
        except ExceptionGroup as failures:
            # One answer can be given; the shards' failures are alike.
            raise failures.exceptions[0] from None
        return scores

    async def _score_shard(self, shard: Shard, deadline: float) -> Scores:
        try:
            answer = await self._send_once(shard, deadline)
        except ReplicaLostError:
            # Serve does not retry a call whose replica died; scoring changes nothing, so it may run twice.
            try:
                answer = await self._send_once(shard, deadline)
            except ReplicaLostError:
                raise APIError("unavailable", "the model's replicas are restarting", retry_after_s=5) from None
        if isinstance(answer, ShardRefusal):
            raise APIError(answer.code, answer.message, retry_after_s=answer.retry_after_s)
        if answer.shape != shard.lengths.shape:
            raise APIError("internal", f"{answer.shape} scores came back for {shard.lengths.size} passages")
        return answer

    async def _send_once(self, shard: Shard, deadline: float) -> ShardAnswer:
        try:
            return await self._send(shard, deadline - asyncio.get_running_loop().time())
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # Cancelled at the other end: a replica that shuts down. TaskGroup would take it for our own wish.
            raise ReplicaLostError from None


def _out_of_time() -> APIError:
    return APIError("deadline_exceeded", "the request's time ran out before it was scored")
