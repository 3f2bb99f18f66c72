"""What travels between a gateway and the replicas of a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from serve_app.domain.caller import Caller
from serve_app.domain.errors import Code
from serve_app.domain.shards import Shard


class ReplicaLostError(Exception):
    """The replica died with a shard in its hands, or there was none to take it."""


@dataclass(frozen=True, slots=True)
class ShardCall:
    """A shard on its way to a replica.

    timeout_s: what is left of the request's time. request_tokens: of the whole request, as far as it is known.
    request_id: of that request, shard_id: its number among that request's shards, for the replica's logs. trace: a
    Trace's context.
    """

    shard: Shard
    timeout_s: float
    caller: Caller
    request_tokens: int
    request_id: str = ""
    shard_id: int = 0
    trace: str = ""


@dataclass(frozen=True, slots=True)
class ShardResults:
    """What a replica made of a shard.

    results: float32, as domain.scores.shard_results gives them. seconds: how long it had the shard, queue_s: before
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
    """A replica's word that it did not score a shard: a value, because Serve logs an exception as a crash."""

    code: Code
    message: str
    retry_after_s: float | None = None


ShardAnswer = ShardResults | ShardRefusal


@dataclass(frozen=True, slots=True)
class ReplicaReport:
    """What a replica says of itself now and then.

    documents_per_s: scored over the last minutes. tokens_per_s: that its device can do. precision: that it computes in.
    """

    documents_per_s: float
    tokens_per_s: float
    precision: str


class Replicas(Protocol):
    """The replicas of one model."""

    async def send(self, call: ShardCall) -> ShardAnswer:
        """Have a replica score a shard. Raises ReplicaLostError."""
        ...

    def backlogs(self) -> list[int]:
        """Tokens that are out at each replica that runs now."""
        ...

    def reports(self) -> Sequence[ReplicaReport]:
        """What the replicas that run have said last; fewer than run where some have not yet."""
        ...
