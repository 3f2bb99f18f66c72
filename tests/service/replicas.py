"""Replicas that score a passage by its first token, and can be slow, busy or dead."""

import asyncio
from collections.abc import Callable

import numpy as np

from serve_app.domain.passages import Passages, cut_passages
from serve_app.service.dispatch import Dispatcher
from serve_app.service.replicas import ReplicaReport, ShardAnswer, ShardCall, ShardResults
from serve_app.settings import ShardingSettings
from tests.domain.texts import ids, input_format

Outcome = Callable[[], ShardAnswer | None]


class Replicas:
    """outcomes: what the first sends come to, in order: called, it may raise or give a refusal; then all is well.

    sent: first token of each shard that was sent. cancelled: how many sends were. most: that were out at a time.
    """

    def __init__(self, *outcomes: Outcome, seconds: float = 0.0) -> None:
        self.running = 1
        self.reported: list[ReplicaReport] = []
        self.calls: list[ShardCall] = []
        self.sent: list[int] = []
        self.timeouts: list[float] = []
        self.cancelled = self.out = self.most = 0
        self.busy = asyncio.Event()
        self._outcomes, self.seconds = list(outcomes), seconds

    def backlogs(self) -> list[int]:
        return [0] * self.running

    def reports(self) -> list[ReplicaReport]:
        return self.reported

    async def send(self, call: ShardCall) -> ShardAnswer:
        shard = call.shard
        self.calls.append(call)
        self.sent.append(int(shard.token_ids[0]))
        self.timeouts.append(call.timeout_s)
        outcome = self._outcomes.pop(0) if self._outcomes else None
        self.out += 1
        self.most = max(self.most, self.out)
        self.busy.set()
        try:
            await asyncio.sleep(self.seconds)
            if outcome is not None and (answer := outcome()) is not None:
                return answer
            starts = np.cumsum(shard.lengths) - shard.lengths
            return ShardResults(shard.token_ids[starts].astype(np.float32), self.seconds, 0.0, 0, 0.0)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.out -= 1

    def dispatcher(self, *, replicas: int = 1, in_flight: int = 2, shard_tokens: int = 10) -> Dispatcher:
        self.running = replicas
        limits = ShardingSettings(min_tokens=shard_tokens, max_tokens=shard_tokens, in_flight=in_flight)
        return Dispatcher(self, limits)


def passages(count: int) -> Passages:
    """So many passages of ten tokens (the model's own included); with dispatcher() each is a shard."""
    documents = [ids(6, first=100 * (place + 1)) for place in range(count)]
    return cut_passages([ids(0)], documents, input_format(64, reads_pairs=True))


def expected(count: int) -> list[float]:
    return [100.0 * (place + 1) for place in range(count)]
