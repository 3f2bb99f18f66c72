"""Passages to shards of equal work, each one call to a replica."""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapreplace

import numpy as np
from numpy.typing import NDArray

from serve_app.domain.input_format import InputFormat, TokenIds
from serve_app.domain.passages import Passages


@dataclass(frozen=True, slots=True)
class Shard:
    """Some passages of one request, as they travel to a replica.

    queries: int32 (tokens,), the queries of these passages end to end, so that a shard stands alone; empty for texts
    without a query. query_lengths: int32 (queries,), tokens of each. query_of: int32 (passages,), index of each
    passage's query.
    token_ids: int32 (tokens,), the passages end to end, those of the longest sequences first. lengths: int32
    (passages,), tokens of each.
    query_prompt, prompt: as in Passages.
    """

    form: InputFormat
    queries: TokenIds
    query_lengths: NDArray[np.int32]
    query_of: NDArray[np.int32]
    token_ids: TokenIds
    lengths: NDArray[np.int32]
    query_prompt: int = 0
    prompt: int = 0

    @property
    def total_tokens(self) -> int:
        """Tokens that are computed for this shard, special tokens included."""
        form, around = self.form, self.form.around_query
        passages = int(self.token_ids.size + self.lengths.size * form.special_tokens)
        if around is None:
            return passages + int(self.query_lengths[self.query_of].sum())
        if form.reads_pairs:
            passages -= self.lengths.size * around
        return passages + int(self.queries.size + self.query_lengths.size * around)


def shard_count(
    total_tokens: int,
    backlogs: Sequence[float],
    *,
    call_tokens: float = 0.0,
    min_shard_tokens: int,
    max_shard_tokens: int,
) -> int:
    """Into how many shards a request is cut so that it is done soonest.

    backlogs: tokens that each replica has to score first. call_tokens: the time that a call costs, as the tokens that a
    replica scores in that time; a request's calls leave one after the other. min_shard_tokens: no shard is smaller.
    max_shard_tokens: shards are not larger on average; this bounds a message and how long one request holds a replica.
    """
    worth = min(total_tokens // min_shard_tokens, len(backlogs))
    needed = max(-(-total_tokens // max_shard_tokens), 1)

    def done_after(shards: int) -> float:
        return least_busy[shards - 1] + total_tokens / shards + shards * call_tokens

    least_busy = sorted(backlogs)
    return max(min(range(1, worth + 1), key=done_after, default=1), needed)


def deal(lengths: NDArray[np.int64], count: int) -> list[NDArray[np.intp]]:
    """Indices of the passages in each of at most `count` shards, which are equal in tokens to within one passage.

    lengths: int64 (passages,), tokens of each. The longest passages are dealt first, each to the shard with the fewest
    tokens (Graham's LPT rule); so each shard has its longest first. Every passage is in exactly one shard, and no shard
    is empty.
    """
    order = np.argsort(-lengths, kind="stable")
    if count == 1:
        return [order] if lengths.size else []
    shards: list[list[int]] = [[] for _ in range(count)]
    emptiest = [(0, shard) for shard in range(count)]
    for index, length in zip(order.tolist(), lengths[order].tolist(), strict=True):
        tokens, shard = emptiest[0]
        shards[shard].append(index)
        heapreplace(emptiest, (tokens + length, shard))
    return [np.array(shard, dtype=np.intp) for shard in shards if shard]


def cut_shards(passages: Passages, count: int) -> list[tuple[Shard, NDArray[np.intp]]]:
    """At most `count` shards, each with the indices of its passages in the order of the shard.

    Each is equal in tokens to within one passage; to within a query with all of its passages where queries are
    computed for themselves, which every shard with a passage of theirs does.
    """
    return [(_shard(passages, indices), indices) for indices in _dealt(passages, count)]


def _dealt(passages: Passages, count: int) -> list[NDArray[np.intp]]:
    lengths = passages.own_lengths
    if passages.form.around_query is None or len(passages.queries) < 2:
        return deal(lengths, count)
    own = passages.query_lengths
    groups = own + np.bincount(passages.query_of, lengths, own.size).astype(np.int64)
    if groups.max() * count > groups.sum():
        return deal(lengths, count)  # one query's passages are more than a shard
    longest_first = np.argsort(-lengths, kind="stable")
    return [longest_first[np.isin(passages.query_of[longest_first], chosen)] for chosen in deal(groups, count)]


def _shard(passages: Passages, indices: NDArray[np.intp]) -> Shard:
    query_of, queries = passages.query_of[indices], passages.queries
    if len(queries) > 1:
        own, places = np.unique(query_of, return_inverse=True)
        queries, query_of = [queries[query] for query in own.tolist()], places.astype(np.int32)
    token_ids = [passages.token_ids[index] for index in indices.tolist()]
    return Shard(
        form=passages.form,
        queries=np.concatenate(queries) if queries else np.empty(0, dtype=np.int32),
        query_lengths=np.fromiter(map(len, queries), dtype=np.int32, count=len(queries)),
        query_of=query_of,
        token_ids=np.concatenate(token_ids),
        lengths=np.fromiter(map(len, token_ids), dtype=np.int32, count=len(token_ids)),
        query_prompt=passages.query_prompt,
        prompt=passages.prompt,
    )
