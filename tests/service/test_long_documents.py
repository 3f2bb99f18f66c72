"""Documents longer than the model reads: chunks, where the best one lies, and what is billed."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import resolve
from serve_app.domain.answer import Ranking
from serve_app.domain.errors import ServiceError
from serve_app.domain.input_format import TokenIds
from serve_app.domain.passages import cut_passages
from serve_app.domain.request import Document, Reading, RerankRequest
from serve_app.domain.scores import shard_results
from serve_app.domain.sequences import shard_sequences
from serve_app.domain.shards import cut_shards
from serve_app.domain.terms import Terms
from serve_app.settings import EMBEDDED_MODEL
from tests.engine.loaded import Engine
from tests.service.reranking import Service
from tests.tiny_models import TinyModel, training_text

NEEDLE = "Ada Lovelace wrote the first program for the Analytical Engine."
HAY = ("The harbour was quiet and the boats lay still in the grey water of the morning. " * 1_500)[:120_000]
MODELS = [("roberta", "classification"), ("bert", "embedding")]


@pytest.fixture(scope="module")
def engines(tiny_models: dict[tuple[str, str], TinyModel]) -> list[tuple[Service, Engine]]:
    return [(Service(tiny_models[model]), Engine(tiny_models[model])) for model in MODELS]


def by_hand(engine: Engine, query: TokenIds, chunk: TokenIds) -> float:
    """The score of one chunk, as the model reads it."""
    [(shard, _)] = cut_shards(cut_passages([query], [chunk], engine.form), 1)
    return float(shard_results(shard, engine.model(shard_sequences(shard)))[0])


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(training_text()), min_size=1, max_size=25), st.integers(1, 6), st.data())
def test_a_documents_score_is_that_of_its_best_chunk_scored_by_hand(
    engines: list[tuple[Service, Engine]], sentences: list[str], most: int, data: st.DataObject
) -> None:
    service, engine = data.draw(st.sampled_from(engines))
    text = " ".join(sentences)
    query, whole = engine.tokenizer.encode(["the light", text])
    room = engine.form.room - (query.size if engine.form.reads_pairs else 0)
    stride = room - room // 8
    chunks = [whole[:room]]
    while len(chunks) < most and (len(chunks) - 1) * stride + room < whole.size:
        start = len(chunks) * stride
        chunks.append(whole[start : start + room])
    ranking = service.rank("the light", [text], raw_scores=True, reading=Reading(max_passages=most))
    best = max(by_hand(engine, query, chunk) for chunk in chunks)
    assert ranking.results[0].relevance_score == pytest.approx(best, abs=1e-5)
    assert ranking.usage.documents == len(chunks)
    assert ranking.usage.nano_dollars == 8_000 * len(chunks)


def test_each_document_is_billed_for_its_own_chunks_even_where_it_comes_twice(
    engines: list[tuple[Service, Engine]],
) -> None:
    service, _ = engines[0]
    long = "red fish " * 200
    once = service.rank("red", [long], reading=Reading(max_passages=None)).usage
    twice = service.rank("red", [long, "red", long], reading=Reading(max_passages=None)).usage
    assert twice.documents == 2 * once.documents + 1
    assert once.documents > 1


def embedded(texts: list[str], **options: Any) -> Ranking:
    service = Service(resolve(EMBEDDED_MODEL, load_catalog()))
    return service.ask(
        RerankRequest(None, "who wrote the first program", [Document(text) for text in texts], **options),
        Terms(timeout_s=120),
    )


@pytest.mark.parametrize(("most", "found"), [(1, False), (10, False), (None, True)])
def test_a_sentence_at_the_end_of_a_long_document_is_found_where_all_of_it_is_read(
    most: int | None, found: bool
) -> None:
    document = f"{HAY} {NEEDLE}"
    ranking = embedded(
        [document, "Boats need paint every year."], reading=Reading(max_passages=most), return_passages=True
    )
    results = {result.index: result for result in ranking.results}
    span = results[0].passage
    assert span is not None
    passage = document[span.start : span.end]
    assert (NEEDLE in passage) is found
    assert passage == passage.strip()
    if found:
        assert (ranking.results[0].index, span.end) == (0, len(document))
    assert ranking.usage.documents == 1 + (most or ranking.usage.documents - 1)


def test_cut_on_the_left_a_document_is_read_at_its_end() -> None:
    document = f"{HAY} {NEEDLE}"
    reading = Reading(truncated_side="left")
    ranking = embedded([document], reading=reading, return_passages=True)
    span = ranking.results[0].passage
    assert span is not None
    assert NEEDLE in document[span.start : span.end]
    assert ranking.usage.documents == 1


def test_a_passages_place_is_counted_in_characters() -> None:
    document = "👩‍👩‍👧 né 词 " * 400 + NEEDLE
    ranking = embedded([document], reading=Reading(max_passages=None), return_passages=True)
    span = ranking.results[0].passage
    assert span is not None
    assert document[span.start : span.end].endswith(NEEDLE)


def test_an_empty_document_has_an_empty_passage() -> None:
    ranking = embedded(["", "Ada"], return_passages=True)
    spans = {result.index: result.passage for result in ranking.results}
    assert spans[0] is not None
    assert (spans[0].start, spans[0].end) == (0, 0)


def test_more_passages_than_one_request_may_have_are_refused(tiny_models: dict[tuple[str, str], TinyModel]) -> None:
    service = Service(tiny_models[MODELS[0]], max_passages=5)
    with pytest.raises(ServiceError, match="more than 5 passages") as raised:
        service.rank("red", ["red fish " * 400], reading=Reading(max_passages=None))
    assert raised.value.param == "max_chunks_per_doc"
