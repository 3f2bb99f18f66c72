import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.ranking.passages import InputFormat, PassageTooLongError, cut_passages, cut_query
from tests.ranking.texts import formats, ids, input_format, lengths

limits = st.none() | st.integers(1, 700)


@given(formats, lengths, st.lists(lengths, min_size=1, max_size=8), limits, limits)
def test_no_sequence_is_longer_than_the_model_reads(
    form: InputFormat, query: int, documents: list[int], query_limit: int | None, document_limit: int | None
) -> None:
    kept = cut_query(ids(query), form, max_tokens=query_limit)
    passages = cut_passages(kept, [ids(count) for count in documents], form, max_tokens=document_limit)
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
    query = cut_query(ids(50), form, max_tokens=7)
    passages = cut_passages(query, [ids(50), ids(3)], form, max_tokens=9)
    assert query.size == 7
    assert [passage.size for passage in passages.token_ids] == [9, 3]


def test_without_truncation_the_first_document_that_does_not_fit_is_named() -> None:
    form = input_format(512, reads_pairs=True)
    with pytest.raises(PassageTooLongError) as raised:
        cut_passages(ids(8), [ids(500), ids(501), ids(600)], form, truncate=False)
    assert (raised.value.document, raised.value.tokens, raised.value.limit) == (1, 501, 500)


def test_without_truncation_a_query_that_does_not_fit_is_document_minus_one() -> None:
    form = input_format(512, reads_pairs=True)
    assert cut_query(ids(384), form, truncate=False).size == 384
    with pytest.raises(PassageTooLongError) as raised:
        cut_query(ids(385), form, truncate=False)
    assert (raised.value.document, raised.value.limit) == (-1, 384)


def test_total_tokens_counts_every_sequence_and_a_bi_encoders_query_once() -> None:
    pair = cut_passages(ids(5), [ids(10), ids(0)], input_format(64, reads_pairs=True), truncate=False)
    alone = cut_passages(ids(5), [ids(10), ids(0)], input_format(64, reads_pairs=False), truncate=False)
    assert pair.total_tokens == (4 + 5 + 10) + (4 + 5)
    assert alone.total_tokens == (2 + 5) + (2 + 10) + 2
