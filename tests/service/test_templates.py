"""A decoder that is asked by a template: its own words stay whole, whatever a client cuts."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from serve_app.catalog.card import Card
from serve_app.domain.errors import ServiceError
from serve_app.domain.prompt_template import PromptTemplate
from serve_app.domain.request import Document, Instruction, Reading, RerankRequest, ScoreRequest
from serve_app.engine.assembly import load_text_side
from tests.prompt_templates import MXBAI, QWEN_RERANKER
from tests.service.reranking import Service, by_index, card_of
from tests.tiny_decoders import make_tiny_decoder
from tests.tiny_models import TinyModel, training_text

TEXTS = [*training_text()[:4], "short", ""]
# Of words that have a token each, so that no passage begins within one.
LONG = " ".join(random.Random(3).choices(["no", "the", "of"], k=1500))


@pytest.fixture(scope="module", params=[("qwen3", QWEN_RERANKER), ("qwen2", MXBAI)], ids=["qwen", "mxbai"])
def card(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Card:
    family, template = request.param
    directory = tmp_path_factory.mktemp("asked") / "model"
    make_tiny_decoder(directory, family, "answers")
    return asked(directory, family, replace(template, max_tokens=400, max_text_tokens=None, max_query_tokens=None))


def asked(directory: Path, family: str, template: PromptTemplate) -> Card:
    return replace(card_of(TinyModel(directory, family, "classification")), prompt=template)


def scores(card: Card, query: str, texts: list[str] = TEXTS, **options: Any) -> np.ndarray:
    return by_index(Service(card).rank(query, texts, raw_scores=True, **options))


@pytest.mark.parametrize(("side", "kept"), [("right", "who wrote"), ("left", " a book?")])
def test_a_clients_limit_cuts_the_querys_own_text(card: Card, side: Literal["left", "right"], kept: str) -> None:
    tokenizer = load_text_side(card.source.path or Path(), template=card.prompt).tokenizer
    [ids] = tokenizer.encode([kept])
    reading = Reading(max_query_tokens=len(ids), truncated_side=side)
    found = scores(card, "who wrote this, and is it a book?", reading=reading)
    np.testing.assert_allclose(found, scores(card, kept, reading=Reading(truncated_side=side)), atol=1e-4)
    assert np.abs(found - scores(card, "who wrote this, and is it a book?")).max() > 1e-2


def test_a_character_is_not_cut_in_two(card: Card) -> None:
    """One of several tokens is left out where some of them are."""
    found = scores(card, "yes🍌", reading=Reading(max_query_tokens=2))
    np.testing.assert_allclose(found, scores(card, "yes"), atol=1e-4)


@pytest.mark.parametrize("truncate", [True, False])
def test_a_query_that_is_too_long_is_refused_with_its_tokens_and_the_limit(card: Card, truncate: bool) -> None:
    with pytest.raises(ServiceError) as raised:
        scores(card, "far too long " * 200, reading=Reading(truncate=truncate))
    assert (raised.value.code, raised.value.param) == ("invalid_request", "query")
    assert "tokens with the instruction and the model's own words around it; the model reads at" in str(raised.value)
    assert '"truncate"' not in str(raised.value)


def test_a_pairs_query_that_is_too_long_is_named_by_its_place(card: Card) -> None:
    request = ScoreRequest("tiny", ["who?", "far too long " * 200], ["a", "b"])
    with pytest.raises(ServiceError) as raised:
        Service(card).ask(request)
    assert raised.value.param == "query[1]"


@pytest.mark.parametrize("kind", ["rank", "score"])
def test_an_instruction_that_leaves_no_room_is_refused_by_its_own_name(card: Card, kind: str) -> None:
    instruction = Instruction("far too long " * 200, "instruct")
    request: Any = RerankRequest("tiny", "who?", [Document("a")], instruction=instruction)
    if kind == "score":
        request = ScoreRequest("tiny", ["who?"], ["a"], instruction=instruction)
    with pytest.raises(ServiceError, match="with instruct the prompt around a query has") as raised:
        Service(card).ask(request)
    assert raised.value.param == "instruct"


def test_an_instruction_changes_scores_and_the_models_own_is_read_without_one(card: Card) -> None:
    plain = scores(card, "who?")
    other = scores(card, "who?", instruction=Instruction("Find texts about animals."))
    assert np.abs(plain - other).max() > 1e-2
    if own := (card.prompt or MXBAI).instruction:
        np.testing.assert_allclose(scores(card, "who?", instruction=Instruction(own)), plain, atol=1e-4)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("max_passages", [1, None])
def test_a_passage_scores_as_a_document_of_its_text_does(
    card: Card, max_passages: int | None, side: Literal["left", "right"]
) -> None:
    """Where it lies is told, and it begins with the same words as a document of its own."""
    reading = Reading(max_passages=max_passages, truncated_side=side)
    ranking = Service(card).rank("who?", [LONG], raw_scores=True, return_passages=True, reading=reading)
    [found] = ranking.results
    assert found.passage
    text = LONG[found.passage.start : found.passage.end]
    assert 100 < len(text) < len(LONG)
    np.testing.assert_allclose(scores(card, "who?", [text]), [found.relevance_score], atol=1e-3)


@pytest.mark.parametrize("texts", [["", "of the book", ""], ["", ""]])
def test_an_empty_document_that_nothing_follows_is_scored_by_its_query(card: Card, texts: list[str]) -> None:
    """It has no token of its own: the state that is read is that of the last token ahead of it."""
    words = PromptTemplate("{query} ", yes="yes", no="no")
    bare = replace(card, prompt=words)
    ended = replace(card, prompt=replace(words, query="{query}", closing=(" ",)))
    [expected] = scores(ended, "who?", [""])
    found = scores(bare, "who?", texts)
    np.testing.assert_allclose(found[[0, -1]], expected, atol=1e-4)
