"""Token sequences end to end, without padding: what a step of the model reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from serve_app.domain.passages import TokenIds
from serve_app.domain.shards import Shard

# What a model gives for sequences: float32 (sequences, width).
Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sequences:
    """Some token sequences. Their arrays may be shared with other sequences and are never written to.

    token_ids: int32 (tokens,), the sequences end to end, special tokens included.
    lengths: int32 (sequences,), tokens of each sequence.
    first_segments: int32 (sequences,), tokens of each sequence in segment 0; those behind them are in segment 1.
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

    @property
    def segments(self) -> NDArray[np.int32]:
        """Segment of each token, 0 or 1: int32 (tokens,)."""
        return _runs((self.first_segments, self.lengths - self.first_segments), len(self)).astype(np.int32)

    @classmethod
    def filler(cls, tokens: int, count: int) -> Self:
        """Sequences of zeros: `tokens` in all, in `count` sequences of lengths that differ by 1 at most."""
        lengths = np.full(count, tokens // count, dtype=np.int32)
        lengths[: tokens % count] += 1
        return cls(np.zeros(tokens, dtype=np.int32), lengths, lengths)

    def filled_up(self, tokens: int, count: int, max_tokens: int) -> Self | None:
        """These sequences with filler behind them, `tokens` and `count` in all; None where that cannot be.

        max_tokens: the longest that a filler may be.
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

        token_ids: int32 (tokens,), the texts end to end. lengths: int32 (texts,), tokens of each text. pair: whether
        the prefix holds a first text, so that what follows it is segment 1.
        """
        whole = lengths + np.int32(prefix.size + suffix.size)
        inner = _runs((prefix.size, lengths, suffix.size), lengths.size) == 1
        joined = np.empty(inner.size, dtype=np.int32)
        joined[inner] = token_ids
        joined[~inner] = np.tile(np.concatenate([prefix, suffix]), lengths.size)
        return cls(joined, whole, np.full_like(whole, prefix.size) if pair else whole)

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """All sequences of the parts, in order."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            np.concatenate([part.token_ids for part in parts]),
            np.concatenate([part.lengths for part in parts]),
            np.concatenate([part.first_segments for part in parts]),
        )

    def take(self, indices: NDArray[np.intp]) -> Self:
        """The sequences with these indices, in their order; a view where the indices follow on one another."""
        if indices.size and (indices[1:] - indices[:-1] == 1).all():
            first, end = int(indices[0]), int(indices[-1]) + 1
            lengths = self.lengths[first:end]
            start = int(self.lengths[:first].sum())
            token_ids = self.token_ids[start : start + int(lengths.sum())]
            return type(self)(token_ids, lengths, self.first_segments[first:end])
        lengths = self.lengths[indices]
        # All tokens of a sequence move by the same distance.
        shifts = self.starts[indices] - (np.cumsum(lengths) - lengths)
        token_ids = self.token_ids[np.arange(int(lengths.sum())) + np.repeat(shifts, lengths)]
        return type(self)(token_ids, lengths, self.first_segments[indices])

    def longest_first(self) -> tuple[Self, NDArray[np.intp] | None]:
        """The sequences from the longest to the shortest, and the index of each: intp (sequences,).

        Where they lie in that order already, these sequences themselves and None.
        """
        if (self.lengths[1:] <= self.lengths[:-1]).all():
            return self, None
        order = np.argsort(-self.lengths, kind="stable")
        return self.take(order), order


def shard_sequences(shard: Shard) -> Sequences:
    """What the model reads for a shard: the query where it is a sequence of its own, then one sequence a passage."""
    if shard.query is None:
        return Sequences.wrap(shard.prefix, shard.token_ids, shard.lengths, shard.suffix, pair=shard.pair)
    token_ids = np.concatenate([shard.query, shard.token_ids])
    lengths = np.concatenate([np.array([shard.query.size], dtype=np.int32), shard.lengths])
    return Sequences.wrap(shard.prefix, token_ids, lengths, shard.suffix, pair=False)


def _runs(lengths: Sequence[NDArray[np.int32] | int], count: int) -> NDArray[np.intp]:
    """The numbers 0, 1 … in turn for each of `count` sequences, each number repeated: intp (sum of lengths,).

    lengths: for each number, how often each sequence repeats it: int32 (sequences,), or one length for all sequences.
    """
    times = np.empty((count, len(lengths)), dtype=np.intp)
    for number, each in enumerate(lengths):
        times[:, number] = each
    return np.repeat(np.arange(times.size) % len(lengths), times.ravel())
