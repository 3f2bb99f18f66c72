from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve_app.domain.passages import cut_passages
from serve_app.domain.prompts import Prompt
from serve_app.domain.sequences import Sequences, shard_sequences
from serve_app.domain.shards import cut_shards
from tests.domain.texts import ids, input_format

some_lengths = st.lists(st.integers(0, 9), min_size=1, max_size=20)


def of_lengths(lengths: list[int]) -> Sequences:
    """Sequences of these lengths in which no token id comes twice; a third of each is segment 0, a fifth a prompt."""
    whole = np.array(lengths, dtype=np.int32)
    return Sequences(ids(sum(lengths), first=0), whole, whole // 3, whole // 5)


def parts_of(sequences: Sequences) -> list[tuple[list[int], int, int]]:
    texts = np.split(sequences.token_ids, np.cumsum(sequences.lengths)[:-1])
    numbers = sequences.first_segments.tolist(), sequences.prompt_lengths.tolist()
    return [(text.tolist(), *rest) for text, *rest in zip(texts, *numbers, strict=True)]


@given(some_lengths, st.data())
def test_sequences_are_taken_whole_whatever_their_order(lengths: list[int], data: st.DataObject) -> None:
    sequences, some = of_lengths(lengths), st.integers(0, len(lengths) - 1)
    follow = st.tuples(some, some).map(lambda ends: list(range(min(ends), max(ends) + 1)))
    indices = data.draw(st.lists(some, min_size=1) | follow)
    parts = parts_of(sequences)
    assert parts_of(sequences.take(np.array(indices))) == [parts[index] for index in indices]


@given(some_lengths)
def test_the_longest_come_first_and_equals_keep_their_order(lengths: list[int]) -> None:
    sequences = of_lengths(lengths)
    found, order = sequences.longest_first()
    expected = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    assert (list(range(len(lengths))) if order is None else order.tolist()) == expected
    assert (order is None) == (sorted(lengths, reverse=True) == lengths)
    assert parts_of(found) == [parts_of(sequences)[index] for index in expected]


@given(some_lengths)
def test_places_and_segments_are_those_of_each_token(lengths: list[int]) -> None:
    sequences = of_lengths(lengths)
    assert sequences.places.tolist() == [place for length in lengths for place in range(length)]
    assert sequences.segments.tolist() == [
        int(place >= first) for text, first, _ in parts_of(sequences) for place in range(len(text))
    ]


@pytest.mark.parametrize("reads_pairs", [True, False])
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=4),
    st.lists(st.integers(0, 60), min_size=1, max_size=40),
    st.integers(1, 9),
    st.data(),
)
def test_a_shards_sequences_are_its_passages_between_the_models_special_tokens(
    reads_pairs: bool, queries: list[int], sizes: list[int], count: int, data: st.DataObject
) -> None:
    in_first = data.draw(st.none() | st.integers(0, 2))
    form = replace(input_format(128, reads_pairs=reads_pairs), between_in_first=in_first)
    texts = [ids(size, first=10_000 + 100 * place).tolist() for place, size in enumerate(queries)]
    documents = [ids(size, first=100 * place) for place, size in enumerate(sizes)]
    query_of = data.draw(st.lists(st.integers(0, len(queries) - 1), min_size=len(sizes), max_size=len(sizes)))
    opening, between, closing = (part.tolist() for part in (form.opening, form.between, form.closing))
    passages = cut_passages([np.array(text, dtype=np.int32) for text in texts], documents, form, query_of=query_of)
    for shard, indices in cut_shards(passages, count):
        expected = []
        for index in indices:
            before = [*opening, *texts[query_of[index]], *between] if reads_pairs else opening
            expected.append([*before, *documents[index].tolist(), *closing])
        if not reads_pairs:
            own = sorted({query_of[index] for index in indices})
            expected = [[*opening, *texts[query], *closing] for query in own] + expected
        found = parts_of(shard_sequences(shard))
        assert [text for text, *_ in found] == expected
        segments = [first for _, first, _ in found]
        if reads_pairs and in_first is not None:
            assert segments == [1 + queries[query_of[index]] + in_first for index in indices]
        else:
            assert segments == [len(text) for text in expected]


def test_a_prompt_that_pooling_leaves_out_is_marked_at_queries_and_passages() -> None:
    form = input_format(16, reads_pairs=False)
    prompts = {"query_prompt": Prompt("q", ids(2), 3), "prompt": Prompt("d", ids(0), 1)}
    [(shard, _)] = cut_shards(cut_passages([ids(5)], [ids(4), ids(9)], form, **prompts), 1)
    assert shard_sequences(shard).prompt_lengths.tolist() == [3, 1, 1]


@settings(max_examples=100)
@given(
    st.lists(st.integers(1, 100), min_size=1, max_size=20),
    st.integers(1, 600),
    st.integers(1, 40),
    st.integers(1, 64),
)
def test_filler_comes_behind_and_is_no_longer_than_the_model_reads(
    lengths: list[int], tokens: int, count: int, max_tokens: int
) -> None:
    step = of_lengths(lengths)
    filled = step.filled_up(tokens, count, max_tokens)
    spare_tokens, spare = tokens - step.token_ids.size, count - len(step)
    possible = spare_tokens == spare == 0 or (spare > 0 and 0 <= spare_tokens <= spare * max_tokens)
    assert (filled is not None) == possible
    if filled is not None:
        assert parts_of(filled)[: len(step)] == parts_of(step)
        assert (filled.token_ids.size, len(filled)) == (tokens, count)
        assert all(0 <= length <= max_tokens for length in filled.lengths[len(step) :])
