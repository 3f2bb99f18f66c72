"""Token sequences end to end, without padding: what a step of the model reads."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from serve_app.domain.input_format import TokenIds
from serve_app.domain.shards import Shard

# What a model gives for sequences: float32 (sequences, width).
Rows = NDArray[np.float32]


def _none() -> NDArray[np.int32]:
    return np.empty(0, dtype=np.int32)


@dataclass(frozen=True, slots=True)
class Sequences:
    """Some token sequences. Their arrays may be shared with other sequences and are never written to.

    token_ids: int32 (tokens,), the sequences end to end, special tokens included.
    lengths: int32 (sequences,), tokens of each sequence.
    first_segments: int32 (sequences,), tokens of each sequence in segment 0; those behind them are in segment 1.
    prompt_lengths: int32 (sequences,), tokens at the beginning of each sequence that pooling leaves out.
    beginnings: what several sequences begin with and a device computes once: int32 each. Where there are any, a
    sequence's own tokens are those behind its beginning, and all of the above is of them alone.
    beginning_of: int32 (sequences,), index of each sequence's beginning, -1 for one that begins with its own tokens;
    (0,) where there are none.
    """

    token_ids: TokenIds
    lengths: NDArray[np.int32]
    first_segments: NDArray[np.int32]
    prompt_lengths: NDArray[np.int32]
    beginnings: tuple[TokenIds, ...] = ()
    beginning_of: NDArray[np.int32] = field(default_factory=_none)

    def __len__(self) -> int:
        """Number of sequences."""
        return int(self.lengths.size)

    @property
    def whole_lengths(self) -> NDArray[np.int32]:
        """Tokens of each sequence with its beginning: int32 (sequences,)."""
        if not self.beginnings:
            return self.lengths
        whole: NDArray[np.int32] = self.lengths + self._beginning_sizes[self.beginning_of]
        return whole

    @property
    def total_tokens(self) -> int:
        """Tokens that are computed for all of them, each beginning once."""
        return int(self.computed_tokens(np.arange(len(self))).sum())

    @property
    def _beginning_sizes(self) -> NDArray[np.int32]:
        """Tokens of each beginning, and a 0 for index -1 behind them: int32 (beginnings + 1,)."""
        return np.array([*map(len, self.beginnings), 0], dtype=np.int32)

    def longest_first_order(self) -> NDArray[np.intp]:
        """Indices from the longest sequence to the shortest: intp (sequences,); those of one beginning together."""
        keys = (-self.lengths, self.beginning_of) if self.beginnings else (-self.lengths,)
        order: NDArray[np.intp] = np.lexsort(keys)
        return order

    def computed_tokens(self, order: NDArray[np.intp]) -> NDArray[np.int32]:
        """Tokens that are computed for each sequence: int32 (sequences,).

        order: in which they are computed, a permutation. A beginning counts for the first that has it.
        """
        if not self.beginnings:
            return self.lengths
        computed = self.lengths.copy()
        used, first = np.unique(self.beginning_of[order], return_index=True)
        computed[order[first]] += self._beginning_sizes[used]
        return computed

    @property
    def starts(self) -> NDArray[np.int64]:
        """Index of each sequence's first token: int64 (sequences,)."""
        starts: NDArray[np.int64] = np.cumsum(self.lengths, dtype=np.int64) - self.lengths
        return starts

    @property
    def places(self) -> NDArray[np.int64]:
        """Place of each token in its sequence, beginning included, from 0: int64 (tokens,)."""
        first = self.starts - (self.whole_lengths - self.lengths)
        places: NDArray[np.int64] = np.arange(self.token_ids.size) - np.repeat(first, self.lengths)
        return places

    @property
    def segments(self) -> NDArray[np.int32]:
        """Segment of each token, 0 or 1: int32 (tokens,)."""
        return _runs((self.first_segments, self.lengths - self.first_segments), len(self)).astype(np.int32)

    @classmethod
    def plain(cls, token_ids: TokenIds, lengths: NDArray[np.int32]) -> Self:
        """Sequences all of whose tokens are in segment 0 and pooled."""
        return cls(token_ids, lengths, lengths, np.zeros_like(lengths))

    @classmethod
    def filler(cls, tokens: int, count: int) -> Self:
        """Sequences of zeros: `tokens` in all, in `count` sequences, the last ones 1 longer where they differ."""
        lengths = np.full(count, tokens // count, dtype=np.int32)
        lengths[count - tokens % count :] += 1
        return cls.plain(np.zeros(tokens, dtype=np.int32), lengths)

    def filled_up(self, tokens: int, count: int, max_tokens: int) -> Self | None:
        """These sequences with filler behind them, `tokens` and `count` in all; None where that cannot be.

        A filler may have no tokens. max_tokens: the longest that it may be.
        """
        spare_tokens, spare = tokens - self.token_ids.size, count - len(self)
        if spare == spare_tokens == 0:
            return self
        if spare <= 0 or not 0 <= spare_tokens <= spare * max_tokens:
            return None
        return self.concatenate([self, self.filler(spare_tokens, spare)])

    @classmethod
    def wrap(
        cls,
        before: Sequence[TokenIds],
        before_of: NDArray[np.int32] | None,
        token_ids: TokenIds,
        lengths: NDArray[np.int32],
        after: TokenIds,
    ) -> Self:
        """Sequences of `before text after`, all of it in segment 0 and pooled.

        before: one int32 array each, what may come before a text. before_of: int32 (texts,), index of what comes before
        each; None where it is the first for all. token_ids: int32 (tokens,), the texts end to end. lengths: int32
        (texts,), tokens of each text. after: int32, what comes behind every text.
        """
        ahead: NDArray[np.int32] | int
        if before_of is None or len(before) == 1:
            ahead = before[0].size
            around = np.tile(np.concatenate([before[0], after]), lengths.size)
        else:
            sizes = np.fromiter(map(len, before), dtype=np.int32, count=len(before))
            frames = np.concatenate([part for each in before for part in (each, after)])
            around = cls.plain(frames, sizes + np.int32(after.size)).take(before_of.astype(np.intp)).token_ids
            ahead = sizes[before_of]
        whole = (lengths + ahead + np.int32(after.size)).astype(np.int32)
        inner = _runs((ahead, lengths, after.size), lengths.size) == 1
        joined = np.empty(inner.size, dtype=np.int32)
        joined[inner] = token_ids
        joined[~inner] = around
        return cls.plain(joined, whole)

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """All sequences of the parts, in order."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            np.concatenate([part.token_ids for part in parts]),
            np.concatenate([part.lengths for part in parts]),
            np.concatenate([part.first_segments for part in parts]),
            np.concatenate([part.prompt_lengths for part in parts]),
            tuple(beginning for part in parts for beginning in part.beginnings),
            _beginning_of(parts),
        )

    def take(self, indices: NDArray[np.intp]) -> Self:
        """The sequences with these indices, in their order; a view where the indices follow on one another."""
        if indices.size and (indices[1:] - indices[:-1] == 1).all():
            first, end = int(indices[0]), int(indices[-1]) + 1
            lengths = self.lengths[first:end]
            start = int(self.lengths[:first].sum())
            token_ids = self.token_ids[start : start + int(lengths.sum())]
            part = slice(first, end)
            return type(self)(
                token_ids,
                lengths,
                self.first_segments[part],
                self.prompt_lengths[part],
                self.beginnings,
                self.beginning_of[part],
            )
        lengths = self.lengths[indices]
        # All tokens of a sequence move by the same distance.
        shifts = self.starts[indices] - (np.cumsum(lengths) - lengths)
        token_ids = self.token_ids[np.arange(int(lengths.sum())) + np.repeat(shifts, lengths)]
        of = self.beginning_of[indices] if self.beginnings else self.beginning_of
        return type(self)(
            token_ids, lengths, self.first_segments[indices], self.prompt_lengths[indices], self.beginnings, of
        )

    def with_distinct_beginnings(self) -> Self:
        """The same, with each beginning once: shards of one request bring it each."""
        keys = [beginning.tobytes() for beginning in self.beginnings]
        distinct = dict(zip(keys, self.beginnings, strict=True))
        if len(distinct) == len(keys):
            return self
        places = {key: place for place, key in enumerate(distinct)}
        of = np.array([*(places[key] for key in keys), -1], dtype=np.int32)[self.beginning_of]
        return replace(self, beginnings=tuple(distinct.values()), beginning_of=of)

    def joined(self, chosen: NDArray[np.bool_]) -> Self:
        """The same, with the beginnings of some sequences put before their own tokens; there must be beginnings.

        chosen: (sequences,). Every sequence then counts as of one segment, and is pooled whole.
        """
        joins = chosen & (self.beginning_of >= 0)
        if not joins.any():
            return self
        own = np.split(self.token_ids, self.starts[1:])
        whole = [
            np.concatenate([self.beginnings[at], ids]) if is_joined else ids
            for ids, at, is_joined in zip(own, self.beginning_of.tolist(), joins.tolist(), strict=True)
        ]
        plain = self.plain(np.concatenate(whole), np.fromiter(map(len, whole), dtype=np.int32, count=len(whole)))
        of = np.where(joins, -1, self.beginning_of).astype(np.int32)
        return plain if (of < 0).all() else replace(plain, beginnings=self.beginnings, beginning_of=of)

    def longest_first(self) -> tuple[Self, NDArray[np.intp] | None]:
        """The sequences from the longest to the shortest, those of one beginning together, and the index of each.

        Where they lie in that order already, these sequences themselves and None.
        """
        order = self.longest_first_order()
        if (order[1:] > order[:-1]).all():
            return self, None
        return self.take(order), order


def _beginning_of(parts: Sequence[Sequences]) -> NDArray[np.int32]:
    """The index of each sequence's beginning among those of all parts, one part's behind the other's."""
    if not any(part.beginnings for part in parts):
        return _none()
    moved, ahead = [], 0
    for part in parts:
        of = part.beginning_of if part.beginnings else np.full(len(part), -1, dtype=np.int32)
        moved.append(np.where(of < 0, -1, of + np.int32(ahead)).astype(np.int32))
        ahead += len(part.beginnings)
    return np.concatenate(moved)


def shard_sequences(shard: Shard) -> Sequences:
    """What the model reads for a shard: queries where they are sequences of their own, then one sequence a passage."""
    form = shard.form
    if form.reads_pairs:
        return _pairs(shard)
    token_ids = np.concatenate([shard.queries, shard.token_ids])
    lengths = np.concatenate([shard.query_lengths, shard.lengths])
    sequences = Sequences.wrap([form.opening], None, token_ids, lengths, form.closing)
    if not (shard.query_prompt or shard.prompt):
        return sequences
    counts = shard.query_lengths.size, shard.lengths.size
    prompt_lengths = np.repeat(np.array([shard.query_prompt, shard.prompt], dtype=np.int32), counts)
    return replace(sequences, prompt_lengths=np.minimum(prompt_lengths, sequences.lengths))


def _pairs(shard: Shard) -> Sequences:
    form = shard.form
    ends = np.cumsum(shard.query_lengths)[:-1]
    before = [np.concatenate([form.opening, query, form.between]) for query in np.split(shard.queries, ends)]
    if form.shares_beginning:
        own = Sequences.wrap([form.opening[:0]], None, shard.token_ids, shard.lengths, form.closing)
        return replace(own, beginnings=tuple(before), beginning_of=shard.query_of)
    sequences = Sequences.wrap(before, shard.query_of, shard.token_ids, shard.lengths, form.closing)
    if form.between_in_first is None:
        return sequences
    first = shard.query_lengths[shard.query_of] + np.int32(form.opening.size + form.between_in_first)
    return replace(sequences, first_segments=first)


def _runs(lengths: Sequence[NDArray[np.int32] | int], count: int) -> NDArray[np.intp]:
    """The numbers 0, 1 … in turn for each of `count` sequences, each number repeated: intp (sum of lengths,).

    lengths: for each number, how often each sequence repeats it: int32 (sequences,), or one length for all sequences.
    """
    times = np.empty((count, len(lengths)), dtype=np.intp)
    for number, each in enumerate(lengths):
        times[:, number] = each
    return np.repeat(np.arange(times.size) % len(lengths), times.ravel())
