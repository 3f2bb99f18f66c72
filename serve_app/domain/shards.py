"""Passages to shards of equal work, each one call to a replica."""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapreplace

import numpy as np
from numpy.typing import NDArray

from serve_app.domain.passages import Passages, TokenIds


@dataclass(frozen=True, slots=True)
class Shard:
    """Some passages of one request, as they travel to a replica.

    prefix, suffix, pair, query: as in Passages; every shard scores a query of its own, so that it stands alone.
    token_ids: int32 (tokens,), the passages end to end. lengths: int32 (passages,), tokens of each.
    """

    prefix: TokenIds
    suffix: TokenIds
    pair: bool
    query: TokenIds | None
    token_ids: TokenIds
    lengths: NDArray[np.int32]

    @property
    def total_tokens(self) -> int:
        """Tokens that the model reads for this shard, special tokens included."""
        around = self.prefix.size + self.suffix.size
        query = 0 if self.query is None else self.query.size + around
        return int(self.token_ids.size + self.lengths.size * around + query)


def shard_count(
    total_tokens: int,
    backlogs: Sequence[float],
    *,
    call_tokens: float = 0.0,
    min_shard_tokens: int,
    max_shard_tokens: int,
) -> int:
    """How many shards a request is cut into: as many as have it done soonest.

    backlogs: tokens that each replica scores before them. call_tokens: what a call costs, in tokens that a replica
    scores in that time; the calls of a request leave one after the other. No shard is below the minimum, nor on average
    over the maximum (which bounds a message's size and how long one request holds a replica).
    """
    worth = min(total_tokens // min_shard_tokens, len(backlogs))
    needed = max(-(-total_tokens // max_shard_tokens), 1)

    def done_after(shards: int) -> float:
        return least_busy[shards - 1] + total_tokens / shards + shards * call_tokens

    least_busy = sorted(backlogs)
    return max(min(range(1, worth + 1), key=done_after, default=1), needed)


def deal(lengths: NDArray[np.int64], count: int) -> list[NDArray[np.intp]]:
    """Indices of the passages in each of `count` shards, equal in tokens to within the longest passage.

    lengths: int64 (passages,), tokens of each. The longest come first, each to the shard with the fewest tokens so far
    (Graham's LPT rule). Every passage is in exactly one shard; a shard without passages is left out.
    """
    order = np.argsort(-lengths, kind="stable")
    if count == 1:
        return [order] if lengths.size else []
    shards: list[list[int]] = [[] for _ in range(count)]
    emptiest = [(0, shard) for shard in range(count)]
    for index in order.tolist():
        tokens, shard = emptiest[0]
        shards[shard].append(index)
        heapreplace(emptiest, (tokens + int(lengths[index]), shard))
    return [np.array(shard, dtype=np.intp) for shard in shards if shard]


def cut_shards(passages: Passages, count: int) -> list[tuple[Shard, NDArray[np.intp]]]:
    """The shards, each with the indices of its passages (in the order of the shard)."""
    return [
        (
            Shard(
                prefix=passages.prefix,
                suffix=passages.suffix,
                pair=passages.pair,
                query=passages.query,
                token_ids=np.concatenate([passages.token_ids[index] for index in indices]),
                lengths=np.fromiter((passages.token_ids[index].size for index in indices), dtype=np.int32),
            ),
            indices,
        )
        for indices in deal(passages.lengths, count)
    ]
