from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from serve_app.domain.passages import (
    OVERLAP,
    InputFormat,
    PassageTooLongError,
    cut_passages,
    cut_query,
    cut_texts,
    passage_counts,
)
from serve_app.domain.request import Reading, Side
from tests.domain.texts import formats, ids, input_format, lengths

limits = st.none() | st.integers(1, 700)


@given(formats, lengths, st.lists(lengths, min_size=1, max_size=8), limits, limits)
def test_no_sequence_is_longer_than_the_model_reads(
    form: InputFormat, query: int, documents: list[int], query_limit: int | None, document_limit: int | None
) -> None:
    reading = Reading(max_query_tokens=query_limit, max_document_tokens=document_limit)
    kept = cut_query(ids(query), form, reading)
    passages = cut_passages(kept, [ids(count) for count in documents], form, reading)
    assert passages.lengths.max() <= form.max_tokens
    if passages.query is not None:
        assert passages.prefix.size + passages.query.size + passages.suffix.size <= form.max_tokens


@given(st.integers(1, 40), st.sampled_from([1, 2]), lengths, lengths)
def test_a_model_that_reads_little_is_not_given_more(max_tokens: int, between: int, query: int, document: int) -> None:
    form = input_format(max_tokens + between + 2, reads_pairs=True, between=between)
    passages = cut_passages(cut_query(ids(query), form), [ids(document)], form)
    assert passages.lengths.max() <= form.max_tokens


@given(formats, lengths)
def test_the_query_of_a_pair_gets_three_quarters_at_most(form: InputFormat, query: int) -> None:
    kept = cut_query(ids(query), form).size
    if form.reads_pairs:
        assert kept == min(query, form.max_tokens * 3 // 4)
    else:
        assert kept == min(query, form.max_tokens - 2)


@given(formats, lengths, st.lists(lengths, min_size=1, max_size=8))
def test_a_passage_is_the_beginning_of_its_document(form: InputFormat, query: int, documents: list[int]) -> None:
    passages = cut_passages(cut_query(ids(query), form), [ids(count) for count in documents], form)
    for document, passage in zip(passages.documents, passages.token_ids, strict=True):
        np.testing.assert_array_equal(passage, ids(documents[document])[: passage.size])
    assert passages.documents.tolist() == list(range(len(documents)))


@given(formats, lengths, lengths)
def test_nothing_is_cut_while_there_is_room(form: InputFormat, query: int, document: int) -> None:
    kept = cut_query(ids(query), form)
    (passage,) = cut_passages(kept, [ids(document)], form).token_ids
    full = passage.size + form.opening.size + form.closing.size
    full += kept.size + form.between.size if form.reads_pairs else 0
    assert passage.size == document or full == form.max_tokens


def test_the_clients_own_limits_cut_further() -> None:
    form = input_format(512, reads_pairs=True)
    reading = Reading(max_query_tokens=7, max_document_tokens=9)
    query = cut_query(ids(50), form, reading)
    passages = cut_passages(query, [ids(50), ids(3)], form, reading)
    assert query.size == 7
    assert [passage.size for passage in passages.token_ids] == [9, 3]


def test_without_truncation_the_first_document_that_does_not_fit_is_named() -> None:
    form = input_format(512, reads_pairs=True)
    with pytest.raises(PassageTooLongError) as raised:
        cut_passages(ids(8), [ids(500), ids(501), ids(600)], form, Reading(truncate=False))
    assert (raised.value.document, raised.value.tokens, raised.value.limit) == (1, 501, 500)


def test_without_truncation_a_query_that_does_not_fit_is_document_minus_one() -> None:
    form = input_format(512, reads_pairs=True)
    assert cut_query(ids(384), form, Reading(truncate=False)).size == 384
    with pytest.raises(PassageTooLongError) as raised:
        cut_query(ids(385), form, Reading(truncate=False))
    assert (raised.value.document, raised.value.limit) == (-1, 384)


def test_total_tokens_counts_every_sequence_and_a_bi_encoders_query_once() -> None:
    pair = cut_passages(ids(5), [ids(10), ids(0)], input_format(64, reads_pairs=True), Reading(truncate=False))
    alone = cut_passages(ids(5), [ids(10), ids(0)], input_format(64, reads_pairs=False), Reading(truncate=False))
    assert pair.total_tokens == (4 + 5 + 10) + (4 + 5)
    assert alone.total_tokens == (2 + 5) + (2 + 10) + 2


sides = st.sampled_from(["left", "right"])


@given(formats, lengths, st.lists(st.integers(0, 4_000), min_size=1, max_size=4), sides, st.none() | st.integers(1, 6))
def test_passages_overlap_as_stated_and_leave_nothing_out_between_them(
    form: InputFormat, query: int, documents: list[int], side: Side, most: int | None
) -> None:
    reading = Reading(max_passages=most, truncated_side=side)
    passages = cut_passages(cut_query(ids(query), form), [ids(count) for count in documents], form, reading)
    room = form.max_passage_tokens(cut_query(ids(query), form).size)
    assume(room > 0)
    overlap = int(room * OVERLAP)
    for index, count in enumerate(documents):
        own = [
            (int(start), token_ids)
            for start, token_ids, owner in zip(passages.starts, passages.token_ids, passages.documents, strict=True)
            if owner == index
        ]
        needed = int(passage_counts(np.array([count]), room)[0])
        assert len(own) == min(needed, most or needed)
        for start, token_ids in own:
            np.testing.assert_array_equal(token_ids, ids(count)[start : start + token_ids.size])
        for (start, token_ids), (following, _) in pairwise(own):
            assert start + token_ids.size - following == min(overlap, room - 1)
        first, last = own[0][0], own[-1][0] + own[-1][1].size
        if most is None:
            assert (first, last) == (0, count)
        elif side == "left":
            assert last == count
        else:
            assert first == 0


def test_a_document_that_needs_more_passages_than_allowed_is_named_where_nothing_may_be_dropped() -> None:
    form = input_format(100, reads_pairs=False)
    reading = Reading(max_passages=2, truncate=False)
    fits = 98 + 98 - 12  # the second begins with the last eighth of the first
    assert len(cut_passages(ids(3), [ids(fits)], form, reading).token_ids) == 2
    with pytest.raises(PassageTooLongError) as raised:
        cut_passages(ids(3), [ids(5), ids(fits + 1)], form, reading)
    assert (raised.value.document, raised.value.limit) == (1, fits)


@given(st.integers(0, 300), st.integers(1, 300), sides)
def test_a_limit_of_the_whole_sequence_is_kept(document: int, most: int, side: Side) -> None:
    form = input_format(128, reads_pairs=True)
    narrowed = form.within(max(most, form.special_tokens + 1))
    reading = Reading(truncated_side=side)
    passages = cut_passages(cut_query(ids(40), narrowed, reading), [ids(document)], narrowed, reading)
    assert passages.lengths.max() <= min(128, max(most, form.special_tokens + 1))


def test_texts_alone_are_read_between_the_special_tokens() -> None:
    form = input_format(12, reads_pairs=False)
    passages = cut_texts([ids(3), ids(30)], form, Reading())
    assert passages.lengths.tolist() == [5, 12]
    assert passages.total_tokens == 17
    assert passages.query is None
    assert not passages.pair


@given(formats, lengths, st.lists(st.integers(0, 2_000), max_size=6), st.none() | st.integers(1, 4))
def test_a_passages_length_is_that_of_the_sequence_it_is_scored_in(
    form: InputFormat, query: int, documents: list[int], most: int | None
) -> None:
    kept = cut_query(ids(query), form)
    passages = cut_passages(kept, [ids(count) for count in documents], form, Reading(max_passages=most), 3)
    beside = kept.size + form.between.size if form.reads_pairs else 0
    special = form.opening.size + form.closing.size
    assert passages.around == beside + special
    assert passages.lengths.tolist() == [token_ids.size + beside + special for token_ids in passages.token_ids]
    assert set(passages.documents.tolist()) == set(range(3, 3 + len(documents)))
