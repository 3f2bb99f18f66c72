"""Scores of pairs in their order, and vectors."""

import asyncio

import numpy as np
import pytest

from serve_app.domain.answer import PairScores
from serve_app.domain.errors import ServiceError
from serve_app.domain.request import EmbedRequest, FieldNames, Reading, ScoreRequest
from serve_app.service.in_process import served_here
from tests.engine.loaded import Engine
from tests.service.reranking import TERMS, Service, by_index, card_of, loaded
from tests.tiny_models import TinyModel, training_text

CROSS, BI = ("roberta", "classification"), ("bert", "embedding")
Models = dict[tuple[str, str], TinyModel]


def scored(tiny: TinyModel, request: ScoreRequest) -> PairScores:
    return Service(tiny).ask(request)


def embedded(tiny: TinyModel, request: EmbedRequest) -> np.ndarray:
    return Service(tiny).ask(request).vectors


@pytest.mark.parametrize("model", [CROSS, BI], ids="-".join)
def test_pairs_of_many_queries_score_as_each_alone(tiny_models: Models, model: tuple[str, str]) -> None:
    texts = training_text()
    queries, documents = [texts[0], texts[1], texts[0], texts[2]], [texts[5], texts[6], texts[7], texts[5]]
    found = scored(tiny_models[model], ScoreRequest(None, queries, documents, raw_scores=True))
    service = Service(tiny_models[model])
    pairs = zip(queries, documents, strict=True)
    alone = [by_index(service.rank(query, [document], raw_scores=True))[0] for query, document in pairs]
    np.testing.assert_allclose(found.scores, alone, atol=1e-5)
    assert found.usage.documents == 4


@pytest.mark.parametrize("model", [CROSS, BI], ids="-".join)
def test_pairs_of_distinct_queries_share_calls(tiny_models: Models, model: tuple[str, str]) -> None:
    queries, calls = [f"what is {number}?" for number in range(200)], []
    texts = [f"it is {number}" for number in range(200)]

    async def asked() -> PairScores:
        async with served_here(loaded(card_of(tiny_models[model])), calls.append) as reranker:
            return await reranker.ask(ScoreRequest(None, queries, texts, raw_scores=True), TERMS)

    found = asyncio.run(asked())
    assert sum(calls) == len(queries)
    assert len(calls) <= 4  # each a step's tokens
    alone = scored(tiny_models[model], ScoreRequest(None, queries[-1:], texts[-1:], raw_scores=True))
    assert found.scores[-1] == pytest.approx(alone.scores[0], abs=1e-5)


@pytest.mark.parametrize("sizes", [(30, 30), (300, 5), (5, 300), (70, 70), (300, 300), (100, 24)])
def test_a_pair_that_is_too_long_is_cut_as_sentence_transformers_does(
    tiny_models: Models, sizes: tuple[int, int]
) -> None:
    from sentence_transformers import CrossEncoder
    from torch import nn

    words = " ".join(training_text()).split()
    query, text = " ".join(words[: sizes[0]]), " ".join(words[400 : 400 + sizes[1]])
    reference = CrossEncoder(str(tiny_models[CROSS].directory), device="cpu", max_length=128)
    expected = reference.predict([(query, text)], activation_fn=nn.Identity())
    found = scored(tiny_models[CROSS], ScoreRequest(None, [query], [text], raw_scores=True))
    np.testing.assert_allclose(found.scores, expected, atol=1e-4)


def test_a_text_that_is_too_long_is_named_as_the_client_called_it(tiny_models: Models) -> None:
    long, names = "red fish " * 200, FieldNames("text_1", "text_2")
    for queries, texts, param in (
        (["a", "a"], ["b", long], "text_2[1]"),
        (["a", "a", long], ["b", "c", "d"], "text_1[2]"),
        ([long, long], ["b", "c"], "text_1"),
    ):
        request = ScoreRequest(None, queries, texts, reading=Reading(truncate=False), names=names)
        with pytest.raises(ServiceError) as raised:
            scored(tiny_models[CROSS], request)
        assert raised.value.param == param


def test_a_limit_that_leaves_no_room_for_text_is_refused(tiny_models: Models) -> None:
    with pytest.raises(ServiceError, match="truncate_prompt_tokens must be at least 5"):
        scored(tiny_models[CROSS], ScoreRequest(None, ["a"], ["b"], reading=Reading(max_sequence_tokens=4)))
    scored(tiny_models[CROSS], ScoreRequest(None, ["a"], ["b"], reading=Reading(max_sequence_tokens=5)))


def test_vectors_are_the_engines_and_of_length_one_where_that_is_asked_for(tiny_models: Models) -> None:
    texts = [f"{number} red fish" for number in range(1_100)]  # more than one message
    engine = Engine(tiny_models[BI])
    found = embedded(tiny_models[BI], EmbedRequest(None, texts))
    assert found.shape == (len(texts), engine.model.width)
    for index in (0, 511, 512, len(texts) - 1):
        np.testing.assert_allclose(found[index], engine.vector(texts[index]), atol=1e-5)
    unit = embedded(tiny_models[BI], EmbedRequest(None, texts, normalize=True))
    np.testing.assert_allclose(unit, found / np.linalg.norm(found, axis=1, keepdims=True), atol=1e-5)


def test_token_ids_give_the_vector_of_their_text_with_special_tokens_or_without(tiny_models: Models) -> None:
    engine = Engine(tiny_models[BI])
    ids = engine.tokenizer.encode(["red fish"])[0]
    framed = np.concatenate([engine.form.opening, ids, engine.form.closing])
    found = embedded(tiny_models[BI], EmbedRequest(None, ["red fish", ids.tolist(), framed.tolist()]))
    np.testing.assert_allclose(found[1:], found[[0, 0]], atol=1e-6)


def test_what_cannot_be_embedded_is_refused_by_name(tiny_models: Models) -> None:
    engine = Engine(tiny_models[BI])
    vocabulary, width = engine.tokenizer.vocabulary, engine.model.width
    for model, request, param, said in (
        (CROSS, EmbedRequest(None, ["a"]), "model", "cross-encoder"),
        (BI, EmbedRequest(None, [[1, vocabulary]]), "input[0][1]", f"ids from 0 to {vocabulary - 1:,}"),
        (BI, EmbedRequest(None, ["a", [-1]]), "input[1][0]", "-1"),
        (BI, EmbedRequest(None, ["a"], dimensions=width + 1), "dimensions", f"must be {width}"),
        (BI, EmbedRequest(None, ["a", "red fish " * 200]), "input[1]", "tokens"),
    ):
        with pytest.raises(ServiceError, match=said) as raised:
            embedded(tiny_models[model], request)
        assert (raised.value.code, raised.value.param) == ("invalid_request", param)
    assert embedded(tiny_models[BI], EmbedRequest(None, ["red fish " * 200], truncate=True)).shape == (1, width)
