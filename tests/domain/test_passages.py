from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from serve_app.domain.cuts import OVERLAP, Cuts
from serve_app.domain.input_format import InputFormat, Truncation
from serve_app.domain.passages import PassageTooLongError, cut_passages, cut_texts
from serve_app.domain.prompts import Prompt
from serve_app.domain.request import Reading, Side
from tests.domain.texts import formats, ids, input_format, lengths

limits = st.none() | st.integers(1, 700)


@given(formats, lengths, st.lists(lengths, min_size=1, max_size=8), limits, limits)
def test_no_sequence_is_longer_than_the_model_reads(
    form: InputFormat, query: int, documents: list[int], query_limit: int | None, document_limit: int | None
) -> None:
    reading = Reading(max_query_tokens=query_limit, max_document_tokens=document_limit)
    passages = cut_passages([ids(query)], [ids(count) for count in documents], form, reading)
    assert passages.lengths.max() <= form.max_tokens
    if not form.reads_pairs:
        assert passages.queries[0].size + form.special_tokens <= form.max_tokens


@given(st.integers(1, 40), st.sampled_from([1, 2]), lengths, lengths)
def test_a_model_that_reads_little_is_not_given_more(max_tokens: int, between: int, query: int, document: int) -> None:
    form = input_format(max_tokens + between + 2, reads_pairs=True, between=between)
    assert cut_passages([ids(query)], [ids(document)], form).lengths.max() <= form.max_tokens


@given(formats, lengths, st.lists(lengths, min_size=1, max_size=8))
def test_a_passage_is_the_beginning_of_its_document_and_a_query_that_of_its_own(
    form: InputFormat, query: int, documents: list[int]
) -> None:
    passages = cut_passages([ids(query)], [ids(count) for count in documents], form)
    for document, passage in zip(passages.documents, passages.token_ids, strict=True):
        np.testing.assert_array_equal(passage, ids(documents[document])[: passage.size])
    assert passages.documents.tolist() == list(range(len(documents)))
    for kept in passages.queries:
        np.testing.assert_array_equal(kept, ids(query)[: kept.size])


@given(formats, lengths, lengths)
def test_nothing_is_cut_while_there_is_room(form: InputFormat, query: int, document: int) -> None:
    passages = cut_passages([ids(query)], [ids(document)], form)
    [passage] = passages.token_ids
    assert passage.size == document or int(passages.lengths[0]) == form.max_tokens


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=5),
    st.lists(st.integers(0, 60), min_size=1, max_size=9),
    st.data(),
)
def test_each_documents_passages_are_those_beside_its_own_query(
    queries: list[int], documents: list[int], data: st.DataObject
) -> None:
    form = input_format(40, reads_pairs=data.draw(st.booleans()))
    query_of = data.draw(st.lists(st.integers(0, len(queries) - 1), min_size=len(documents), max_size=len(documents)))
    texts = [ids(count, first=1_000 * place) for place, count in enumerate(queries)]
    together = cut_passages(texts, [ids(count) for count in documents], form, query_of=query_of, first_document=3)
    assert set(together.query_of.tolist()) == set(range(len(together.queries)))
    for place, (count, query) in enumerate(zip(documents, query_of, strict=True)):
        alone = cut_passages([texts[query]], [ids(count)], form)
        np.testing.assert_array_equal(together.queries[together.query_of[place]], alone.queries[0])
        np.testing.assert_array_equal(together.token_ids[place], alone.token_ids[0])
        assert (together.lengths[place], together.documents[place]) == (alone.lengths[0], place + 3)


def test_the_clients_own_limits_cut_further() -> None:
    form = input_format(512, reads_pairs=True)
    reading = Reading(max_query_tokens=7, max_document_tokens=9)
    passages = cut_passages([ids(50)], [ids(50), ids(3)], form, reading)
    assert [query.size for query in passages.queries] == [7]
    assert [passage.size for passage in passages.token_ids] == [9, 3]


def test_without_truncation_the_first_document_that_does_not_fit_is_named() -> None:
    form = input_format(512, reads_pairs=True)
    with pytest.raises(PassageTooLongError) as raised:
        cut_passages([ids(8)], [ids(500), ids(501), ids(600)], form, Reading(truncate=False))
    assert (raised.value.document, raised.value.tokens, raised.value.limit) == (1, 501, 500)


@pytest.mark.parametrize(("truncation", "limit"), [("query_to_three_quarters", 384), ("longest_first", 507)])
def test_without_truncation_a_query_that_does_not_fit_is_document_minus_one(truncation: Truncation, limit: int) -> None:
    form = input_format(512, reads_pairs=True, truncation=truncation)
    reading = Reading(truncate=False)
    assert cut_passages([ids(limit)], [ids(1)], form, reading).queries[0].size == limit
    with pytest.raises(PassageTooLongError) as raised:
        cut_passages([ids(5), ids(limit + 1)], [ids(1)], form, reading, first_query=4)
    assert (raised.value.document, raised.value.tokens, raised.value.limit) == (-6, limit + 1, limit)


def test_total_tokens_counts_every_sequence_and_a_bi_encoders_query_once() -> None:
    pair = cut_passages([ids(5)], [ids(10), ids(0)], input_format(64, reads_pairs=True), Reading(truncate=False))
    alone = cut_passages([ids(5)], [ids(10), ids(0)], input_format(64, reads_pairs=False), Reading(truncate=False))
    assert pair.total_tokens == (4 + 5 + 10) + (4 + 5)
    assert alone.total_tokens == (2 + 5) + (2 + 10) + 2


sides = st.sampled_from(["left", "right"])


@given(formats, lengths, st.integers(0, 4_000), sides, st.none() | st.integers(1, 6))
def test_passages_overlap_as_stated_and_leave_nothing_out_between_them(
    form: InputFormat, query: int, count: int, side: Side, most: int | None
) -> None:
    reading = Reading(max_passages=most, truncated_side=side)
    passages = cut_passages([ids(query)], [ids(count)], form, reading)
    room = form.room - (passages.queries[0].size if form.reads_pairs else 0)
    assume(room > 0)
    own = list(zip(passages.starts.tolist(), passages.token_ids, strict=True))
    needed = int(Cuts(np.array([room])).passages(np.array([count]))[0])
    assert len(own) == min(needed, most or needed)
    for start, token_ids in own:
        np.testing.assert_array_equal(token_ids, ids(count)[start : start + token_ids.size])
    for (start, token_ids), (following, _) in pairwise(own):
        assert start + token_ids.size - following == min(int(room * OVERLAP), room - 1)
    first, last = own[0][0], own[-1][0] + own[-1][1].size
    if most is None:
        assert (first, last) == (0, count)
    elif side == "left":
        assert last == count
    else:
        assert first == 0


@given(st.integers(0, 9), st.integers(0, 300), st.none() | st.integers(1, 6), st.none() | st.integers(1, 90))
def test_every_passage_of_a_document_begins_with_the_prompt(
    prompt: int, count: int, most: int | None, limit: int | None
) -> None:
    form, token_ids = input_format(22, reads_pairs=False), ids(prompt, first=5)
    document = np.concatenate([token_ids, ids(count)])
    reading = Reading(max_passages=most, max_document_tokens=limit)
    passages = cut_passages([ids(3)], [document], form, reading, prompt=Prompt("p", token_ids))
    assert passages.lengths.max() <= form.max_tokens
    read: list[int] = []
    for start, size, passage in zip(passages.starts.tolist(), passages.sizes.tolist(), passages.token_ids, strict=True):
        repeated = prompt if start else 0
        np.testing.assert_array_equal(passage[:repeated], token_ids[:repeated])
        np.testing.assert_array_equal(passage[repeated:], document[start : start + size])
        read = read[:start] + passage[repeated:].tolist()
    wanted = document[: None if limit is None else prompt + limit].tolist()
    assert read == (wanted if most is None else wanted[: len(read)])


def test_a_document_that_needs_more_passages_than_allowed_is_named_where_nothing_may_be_dropped() -> None:
    form = input_format(100, reads_pairs=False)
    reading = Reading(max_passages=2, truncate=False)
    fits = 98 + 98 - 12  # the second begins with the last eighth of the first
    assert len(cut_passages([ids(3)], [ids(fits)], form, reading).token_ids) == 2
    with pytest.raises(PassageTooLongError) as raised:
        cut_passages([ids(3)], [ids(5), ids(fits + 1)], form, reading)
    assert (raised.value.document, raised.value.limit) == (1, fits)


@given(st.integers(0, 300), st.integers(1, 300), sides)
def test_a_limit_of_the_whole_sequence_is_kept(document: int, most: int, side: Side) -> None:
    form = input_format(128, reads_pairs=True)
    narrowed = form.within(max(most, form.special_tokens + 1))
    reading = Reading(truncated_side=side)
    passages = cut_passages([ids(40)], [ids(document)], narrowed, reading)
    assert passages.lengths.max() <= min(128, max(most, form.special_tokens + 1))


def test_texts_alone_are_read_between_the_special_tokens() -> None:
    form = input_format(12, reads_pairs=False)
    passages = cut_texts([ids(3), ids(30)], form, Reading())
    assert passages.lengths.tolist() == [5, 12]
    assert passages.total_tokens == 17
    assert passages.queries == []


@given(formats, lengths, st.lists(st.integers(0, 2_000), max_size=6), st.none() | st.integers(1, 4))
def test_a_passages_length_is_that_of_the_sequence_it_is_scored_in(
    form: InputFormat, query: int, documents: list[int], most: int | None
) -> None:
    texts = [ids(count) for count in documents]
    passages = cut_passages([ids(query)], texts, form, Reading(max_passages=most), first_document=3)
    beside = [passages.queries[of].size if form.reads_pairs else 0 for of in passages.query_of]
    assert passages.lengths.tolist() == [
        token_ids.size + query_tokens + form.special_tokens
        for token_ids, query_tokens in zip(passages.token_ids, beside, strict=True)
    ]
    assert set(passages.documents.tolist()) == set(range(3, 3 + len(documents)))


@pytest.mark.parametrize("most", [2**31, 2**56, 2**63, 10**400])
def test_a_limit_beyond_all_numbers_is_none(most: int) -> None:
    form = input_format(64, reads_pairs=True)
    reading = Reading(max_passages=most, max_query_tokens=most, max_document_tokens=most)
    found = cut_passages([ids(3)], [ids(500)], form, reading)
    expected = cut_passages([ids(3)], [ids(500)], form, Reading(max_passages=None))
    assert found.starts.tolist() == expected.starts.tolist()
    assert found.lengths.tolist() == expected.lengths.tolist()


def test_a_text_whose_prompt_leaves_no_room_for_more_passages_is_refused_where_nothing_may_be_dropped() -> None:
    form, prompt = input_format(12, reads_pairs=False), Prompt("p", ids(10, first=5))
    text = np.concatenate([prompt.token_ids, ids(9)])
    reading = Reading(max_passages=None, truncate=False)
    with pytest.raises(PassageTooLongError):
        cut_passages([ids(1)], [text], form, reading, prompt=prompt)


@given(st.integers(1, 9), st.integers(0, 120), st.none() | st.integers(2, 5), st.none() | st.integers(1, 90))
def test_a_client_that_has_a_document_read_at_its_end_leaves_its_prompt_before_every_passage(
    prompt: int, count: int, most: int | None, limit: int | None
) -> None:
    form, token_ids = input_format(22, reads_pairs=False), ids(prompt, first=5)
    document = np.concatenate([token_ids, ids(count)])
    reading = Reading(max_passages=most, max_document_tokens=limit, truncated_side="left")
    passages = cut_passages([ids(3)], [document], form, reading, prompt=Prompt("p", token_ids))
    assert passages.lengths.max() <= form.max_tokens
    for start, size, passage in zip(passages.starts.tolist(), passages.sizes.tolist(), passages.token_ids, strict=True):
        np.testing.assert_array_equal(passage[:prompt], token_ids)
        own = document[max(start, prompt) : start + size]
        np.testing.assert_array_equal(passage[prompt:], own)
    assert passages.starts[-1] + passages.sizes[-1] == document.size
    if most is None:
        assert sum(np.unique(np.concatenate(passages.token_ids)) >= 100) == min(count, limit or count)


def test_a_query_whose_end_a_client_wants_keeps_its_prompt() -> None:
    form, token_ids = input_format(64, reads_pairs=False), ids(3, first=5)
    reading = Reading(max_query_tokens=2, truncated_side="left")
    query = np.concatenate([token_ids, ids(9)])
    passages = cut_passages([query], [ids(4)], form, reading, query_prompt=Prompt("q", token_ids))
    assert passages.queries[0].tolist() == [5, 6, 7, 107, 108]
