import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.domain.passages import cut_passages
from serve_app.domain.shards import cut_shards, deal, shard_count
from tests.domain.texts import ids, input_format

MIN, MAX = 2_048, 16_384

token_counts = st.lists(st.integers(2, 512), max_size=120).map(lambda counts: np.array(counts, dtype=np.int64))
shard_counts = st.integers(1, 40)


@given(token_counts, shard_counts)
def test_every_passage_is_in_exactly_one_shard(lengths: np.ndarray, count: int) -> None:
    dealt = np.concatenate([np.empty(0, np.intp), *deal(lengths, count)])
    assert sorted(dealt) == list(range(lengths.size))


@given(token_counts, shard_counts)
def test_no_shard_is_empty_and_there_are_no_more_than_asked_for(lengths: np.ndarray, count: int) -> None:
    shards = deal(lengths, count)
    assert len(shards) == min(count, lengths.size)
    assert all(shard.size for shard in shards)


@given(token_counts.filter(len), shard_counts)
def test_shards_are_equal_in_tokens_to_within_the_longest_passage(lengths: np.ndarray, count: int) -> None:
    totals = [int(lengths[shard].sum()) for shard in deal(lengths, count)]
    assert max(totals) - min(totals) <= lengths.max()


def test_one_long_passage_does_not_unbalance_the_shards() -> None:
    lengths = np.array([512, *[16] * 64], dtype=np.int64)
    totals = [int(lengths[shard].sum()) for shard in deal(lengths, 2)]
    assert max(totals) - min(totals) <= 16


@given(token_counts.filter(len), st.integers(1, 8))
def test_no_shard_is_over_the_maximum_by_more_than_its_longest_passage(lengths: np.ndarray, replicas: int) -> None:
    count = shard_count(int(lengths.sum()), [0] * replicas, min_shard_tokens=MIN, max_shard_tokens=MAX)
    assert max(int(lengths[shard].sum()) for shard in deal(lengths, count)) < MAX + lengths.max()


@given(st.integers(0, 2_000_000), st.integers(0, 64))
def test_a_shard_is_worth_a_call_unless_it_would_be_too_large(tokens: int, replicas: int) -> None:
    count = shard_count(tokens, [0] * replicas, min_shard_tokens=MIN, max_shard_tokens=MAX)
    assert count == 1 or tokens / count >= MIN
    assert tokens / count <= MAX


@given(st.integers(0, 2_000_000), st.integers(0, 64))
def test_no_more_shards_than_replicas_unless_they_would_be_too_large(tokens: int, replicas: int) -> None:
    count = shard_count(tokens, [0] * replicas, min_shard_tokens=MIN, max_shard_tokens=MAX)
    assert count <= max(replicas, 1, -(-tokens // MAX))


def test_more_work_never_means_fewer_shards() -> None:
    idle = [0] * 8
    counts = [shard_count(tokens, idle, min_shard_tokens=MIN, max_shard_tokens=MAX) for tokens in range(0, 200_000, 97)]
    assert all(before <= after for before, after in pairwise(counts))
    assert {1, 8} <= set(counts)


@given(
    st.integers(1, 500_000),
    st.lists(st.integers(0, 200_000), min_size=1, max_size=20),
    st.floats(0, 5_000),
)
def test_no_other_number_of_shards_would_be_done_sooner(tokens: int, backlogs: list[int], call_tokens: float) -> None:
    def done_after(shards: int) -> float:
        return sorted(backlogs)[shards - 1] + tokens / shards + shards * call_tokens

    count = shard_count(tokens, backlogs, call_tokens=call_tokens, min_shard_tokens=1, max_shard_tokens=10**9)
    others = range(1, min(len(backlogs), tokens) + 1)
    assert done_after(count) == min(map(done_after, others))


def test_busy_replicas_are_left_alone() -> None:
    assert shard_count(8_000, [0, 0, 10_000, 10_000], min_shard_tokens=1, max_shard_tokens=10**9) == 2
    assert shard_count(80_000, [0, 0, 10_000, 10_000], min_shard_tokens=1, max_shard_tokens=10**9) == 4


@pytest.mark.parametrize("reads_pairs", [True, False])
@given(st.lists(st.integers(0, 60), min_size=1, max_size=40), st.integers(1, 9))
def test_shards_carry_their_passages_whole(reads_pairs: bool, sizes: list[int], count: int) -> None:
    documents = [ids(size, first=100 * place) for place, size in enumerate(sizes)]
    passages = cut_passages([ids(5)], documents, input_format(128, reads_pairs=reads_pairs))
    for shard, indices in cut_shards(passages, count):
        pieces = np.split(shard.token_ids, np.cumsum(shard.lengths)[:-1])
        for piece, index in zip(pieces, indices, strict=True):
            np.testing.assert_array_equal(piece, documents[index])


@pytest.mark.parametrize("reads_pairs", [True, False])
def test_a_shard_counts_the_tokens_that_the_model_reads(reads_pairs: bool) -> None:
    passages = cut_passages([ids(5)], [ids(10), ids(0), ids(7)], input_format(64, reads_pairs=reads_pairs))
    ((shard, _),) = cut_shards(passages, 1)
    assert shard.total_tokens == passages.total_tokens


@given(token_counts, shard_counts)
def test_a_shards_longest_passage_comes_first(lengths: np.ndarray, count: int) -> None:
    for shard in deal(lengths, count):
        assert (np.diff(lengths[shard]) <= 0).all()


@given(st.lists(st.integers(0, 60), min_size=1, max_size=40), st.integers(1, 9))
def test_a_shard_travels_small(sizes: list[int], count: int) -> None:
    passages = cut_passages([ids(5)], [ids(size) for size in sizes], input_format(128, reads_pairs=True))
    for shard, _ in cut_shards(passages, count):
        found = pickle.loads(pickle.dumps(shard))
        np.testing.assert_array_equal(found.token_ids, shard.token_ids)
        # Four bytes a token and eight a passage, beside what the arrays and the class themselves take.
        assert (
            len(pickle.dumps(shard)) < 4 * (shard.token_ids.size + 2 * shard.lengths.size + shard.queries.size) + 1_500
        )


@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=6),
    st.lists(st.integers(0, 60), min_size=1, max_size=30),
    st.data(),
)
def test_a_shard_carries_the_queries_of_its_passages_and_no_others(
    queries: list[int], sizes: list[int], data: st.DataObject
) -> None:
    query_of = data.draw(st.lists(st.integers(0, len(queries) - 1), min_size=len(sizes), max_size=len(sizes)))
    texts = [ids(size, first=1_000 * place) for place, size in enumerate(queries)]
    form = input_format(128, reads_pairs=data.draw(st.booleans()))
    passages = cut_passages(texts, [ids(size) for size in sizes], form, query_of=query_of)
    shards = cut_shards(passages, data.draw(st.integers(1, 5)))
    for shard, indices in shards:
        own = np.split(shard.queries, np.cumsum(shard.query_lengths)[:-1])
        for of, index in zip(shard.query_of, indices, strict=True):
            np.testing.assert_array_equal(own[of], texts[query_of[index]])
        assert set(shard.query_of.tolist()) == set(range(shard.query_lengths.size))
    if form.reads_pairs:
        assert sum(shard.total_tokens for shard, _ in shards) == passages.total_tokens


def test_queries_of_their_own_are_read_by_one_shard_each_and_shared_evenly() -> None:
    form = input_format(512, reads_pairs=False)
    queries = [ids(200 if query % 8 == 0 else 20) for query in range(200)]
    passages = cut_passages(queries, [ids(30)] * 200, form, query_of=range(200))
    shards = [shard for shard, _ in cut_shards(passages, 8)]
    assert sum(shard.query_lengths.size for shard in shards) == 200
    totals = [shard.total_tokens for shard in shards]
    assert max(totals) - min(totals) <= 250


def test_one_query_with_most_of_the_passages_is_read_by_all_shards() -> None:
    passages = cut_passages(
        [ids(20), ids(9)], [ids(30)] * 200, input_format(512, reads_pairs=False), query_of=[0] * 199 + [1]
    )
    totals = [shard.total_tokens for shard, _ in cut_shards(passages, 4)]
    assert max(totals) - min(totals) <= 64
