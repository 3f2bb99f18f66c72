import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve_app.domain.passages import cut_passages
from serve_app.domain.sequences import Sequences, shard_sequences
from serve_app.domain.shards import cut_shards
from tests.domain.texts import ids, input_format

some_lengths = st.lists(st.integers(0, 9), min_size=1, max_size=20)


def of_lengths(lengths: list[int]) -> Sequences:
    """Sequences of these lengths in which no token id comes twice; of each, a third is segment 0."""
    whole = np.array(lengths, dtype=np.int32)
    return Sequences(ids(sum(lengths), first=0), whole, whole // 3)


def parts_of(sequences: Sequences) -> list[tuple[list[int], int]]:
    texts = np.split(sequences.token_ids, np.cumsum(sequences.lengths)[:-1])
    return [(text.tolist(), int(first)) for text, first in zip(texts, sequences.first_segments, strict=True)]


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
        int(place >= first) for text, first in parts_of(sequences) for place in range(len(text))
    ]


@pytest.mark.parametrize("reads_pairs", [True, False])
@given(st.lists(st.integers(0, 60), min_size=1, max_size=40), st.integers(1, 9))
def test_a_shards_sequences_are_its_passages_between_the_models_special_tokens(
    reads_pairs: bool, sizes: list[int], count: int
) -> None:
    query, form = ids(5), input_format(128, reads_pairs=reads_pairs)
    documents = [ids(size, first=100 * place) for place, size in enumerate(sizes)]
    opening, between, closing = (part.tolist() for part in (form.opening, form.between, form.closing))
    for shard, indices in cut_shards(cut_passages(query, documents, form), count):
        before = [*opening, *query.tolist(), *between] if reads_pairs else opening
        expected = [[*before, *documents[index].tolist(), *closing] for index in indices]
        if not reads_pairs:
            expected.insert(0, [*opening, *query.tolist(), *closing])
        found = parts_of(shard_sequences(shard))
        assert [text for text, _ in found] == expected
        assert [first for _, first in found] == [len(before) if reads_pairs else len(text) for text in expected]


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
    possible = spare_tokens == spare == 0 or 0 < spare <= spare_tokens <= spare * max_tokens
    assert (filled is not None) == possible
    if filled is not None:
        assert parts_of(filled)[: len(step)] == parts_of(step)
        assert (filled.token_ids.size, len(filled)) == (tokens, count)
        assert all(1 <= length <= max_tokens for length in filled.lengths[len(step) :])
