"""What is held for a request is never less than what it is charged."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve_app.catalog.card import Card
from serve_app.domain.errors import ServiceError
from serve_app.domain.meter import Quote
from serve_app.domain.request import (
    Answer,
    Document,
    EmbedRequest,
    Instruction,
    ModelRequest,
    Reading,
    RerankRequest,
    ScoreRequest,
)
from tests.service.decoders import embedder_card, reranker_card
from tests.service.reranking import TERMS, Service
from tests.service.till import Till
from tests.tiny_models import TinyModel

Models = dict[tuple[str, str], TinyModel]
CROSS, BI = ("roberta", "classification"), ("bert", "embedding")
MOST = 40  # passages of one request

# Few distinct ones, so that many come several times; the longest have some ten passages.
texts = st.builds(str.__mul__, st.sampled_from(["red fish ", "", "\u6771\u4eac"]), st.sampled_from([1, 50, 300]))
readings = st.builds(
    Reading,
    max_passages=st.none() | st.integers(1, 12),
    max_document_tokens=st.none() | st.integers(1, 400),
    max_sequence_tokens=st.none() | st.integers(16, 200),
)
pairs = st.lists(st.tuples(st.sampled_from(["red", "the light " * 60]), texts), min_size=1, max_size=12)
requests: st.SearchStrategy[ModelRequest[Any]] = st.one_of(
    st.builds(
        RerankRequest, st.none(), st.just("red"), st.lists(st.builds(Document, texts), min_size=1), reading=readings
    ),
    st.builds(lambda drawn, reading: ScoreRequest(None, *zip(*drawn, strict=True), reading=reading), pairs, readings),
    st.builds(EmbedRequest, st.none(), st.lists(texts, min_size=1, max_size=8), truncate=st.just(True)),
)


def held(service: Service, request: ModelRequest[Answer]) -> tuple[Quote, Answer]:
    till = Till()
    answer = service.ask(request, replace(TERMS, meter=till))
    return till.quotes[0], answer


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([CROSS, BI]), requests)
def test_nothing_is_charged_beyond_what_was_held(
    tiny_models: Models, model: tuple[str, str], request: ModelRequest[Any]
) -> None:
    try:
        quote, answer = held(Service(tiny_models[model], max_passages=MOST), request)
    except ServiceError as error:
        if error.code != "invalid_request":  # too many passages, or no embeddings
            raise
        return
    assert answer.usage.documents <= quote.documents
    assert answer.usage.nano_dollars <= quote.nano_dollars


@pytest.mark.parametrize(("copies", "documents"), [(1, MOST), (3, 3 * MOST)])
def test_for_documents_that_are_read_whole_no_more_is_held_than_one_request_may_have_passages(
    tiny_models: Models, copies: int, documents: int
) -> None:
    request = RerankRequest(
        None, "red", [Document(f"fish {number}") for number in range(20)] * copies, reading=Reading(max_passages=None)
    )
    quote, answer = held(Service(tiny_models[CROSS], max_passages=MOST), request)
    assert (quote.documents, quote.nano_dollars) == (documents, documents * 8_000)
    assert answer.usage.documents == 20 * copies


def test_the_hold_is_the_charge_where_a_document_has_as_many_passages_as_it_may(tiny_models: Models) -> None:
    service = Service(tiny_models[CROSS], max_passages=6)
    documents = [Document("red fish " * 1_000)] * 4
    quote, answer = held(service, RerankRequest(None, "red", documents, reading=Reading(max_passages=6)))
    assert quote.documents == answer.usage.documents == 24


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([reranker_card(), embedder_card()]), requests, st.none() | st.just(Instruction("find fish")))
def test_nor_of_a_decoder_with_or_without_an_instruction(
    card: Card, request: ModelRequest[Any], instruction: Instruction | None
) -> None:
    if not isinstance(request, EmbedRequest) or request.input_type == "query":
        request = replace(request, instruction=instruction)  # type: ignore[call-arg]
    try:
        quote, answer = held(Service(card, max_passages=MOST), request)
    except ServiceError as error:
        if error.code != "invalid_request":
            raise
        return
    assert answer.usage.documents <= quote.documents
    assert answer.usage.nano_dollars <= quote.nano_dollars
