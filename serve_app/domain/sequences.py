"""Token sequences end to end, without padding: what a step of the model reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from serve_app.domain.passages import TokenIds
from serve_app.domain.shards import Shard

# What a model makes of them: (sequences, width).
Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sequences:
    """Some token sequences.

    token_ids: int32 (tokens,), the sequences end to end, special tokens included.
    lengths: int32 (sequences,), tokens of each.
    first_segments: int32 (sequences,), how many of each one's tokens belong to segment 0, the others to segment 1.
    """

    token_ids: TokenIds
    lengths: NDArray[np.int32]
    first_segments: NDArray[np.int32]

    def __len__(self) -> int:
        """Number of sequences."""
        return int(self.lengths.size)

    @property
    def starts(self) -> NDArray[np.int64]:
        """Index of each sequence's first token: int64 (sequences,)."""
        starts: NDArray[np.int64] = np.cumsum(self.lengths, dtype=np.int64) - self.lengths
        return starts

    @property
    def places(self) -> NDArray[np.int64]:
        """Place of each token in its sequence, from 0: int64 (tokens,)."""
        return np.arange(self.token_ids.size) - np.repeat(self.starts, self.lengths)

    @classmethod
    def filler(cls, tokens: int, count: int) -> Self:
        """So many tokens, all 0, in so many sequences of lengths as even as may be."""
        lengths = np.full(count, tokens // count, dtype=np.int32)
        lengths[: tokens % count] += 1
        return cls(np.zeros(tokens, dtype=np.int32), lengths, lengths)

    def filled_up(self, tokens: int, count: int, max_tokens: int) -> Self | None:
        """These sequences and filler behind them, to so many tokens and sequences; None where that cannot be.

        max_tokens: of the longest filler.
        """
        spare_tokens, spare = tokens - self.token_ids.size, count - len(self)
        if spare == spare_tokens == 0:
            return self
        if not 0 < spare <= spare_tokens <= spare * max_tokens:
            return None
        return self.concatenate([self, self.filler(spare_tokens, spare)])

    @classmethod
    def wrap(
        cls, prefix: TokenIds, token_ids: TokenIds, lengths: NDArray[np.int32], suffix: TokenIds, *, pair: bool
    ) -> Self:
        """Sequences of `prefix text suffix`.

        token_ids: int32 (tokens,), the texts end to end. lengths: int32 (texts,). pair: the prefix holds a first text,
        so that what follows it is segment 1.
        """
        around = prefix.size + suffix.size
        whole = lengths + np.int32(around)
        starts = np.cumsum(whole) - whole
        joined = np.empty(int(whole.sum()), dtype=np.int32)
        inner = np.ones(joined.size, dtype=bool)
        for offset, ids in ((starts, prefix), (starts + whole - suffix.size, suffix)):
            places = (offset[:, None] + np.arange(ids.size)).ravel()
            joined[places] = np.tile(ids, lengths.size)
            inner[places] = False
        joined[inner] = token_ids
        first = np.full_like(whole, prefix.size) if pair else whole
        return cls(joined, whole, first)

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """All sequences of the parts, in order."""
        return cls(
            np.concatenate([part.token_ids for part in parts]),
            np.concatenate([part.lengths for part in parts]),
            np.concatenate([part.first_segments for part in parts]),
        )

    def take(self, indices: NDArray[np.intp]) -> Self:
        """The sequences of these indices, in their order."""
        ends = np.cumsum(self.lengths)
        starts = ends - self.lengths
        pieces = [self.token_ids[starts[index] : ends[index]] for index in indices]
        return type(self)(np.concatenate(pieces), self.lengths[indices], self.first_segments[indices])


def shard_sequences(shard: Shard) -> Sequences:
    """What the model reads for a shard: one sequence a passage; before them the query's own, if it has one."""
    if shard.query is None:
        return Sequences.wrap(shard.prefix, shard.token_ids, shard.lengths, shard.suffix, pair=shard.pair)
    token_ids = np.concatenate([shard.query, shard.token_ids])
    lengths = np.concatenate([np.array([shard.query.size], dtype=np.int32), shard.lengths])
    return Sequences.wrap(shard.prefix, token_ids, lengths, shard.suffix, pair=False)
