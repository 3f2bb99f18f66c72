"""A model's prompts are put before texts where sentence-transformers puts them."""

from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from torch import nn

from serve_app.domain.answer import Span
from serve_app.domain.errors import ServiceError
from serve_app.domain.request import EmbedRequest, Reading, RerankRequest
from serve_app.engine.tokenizer import Tokenizer
from tests.service.reranking import Service, by_index
from tests.tiny_models import TinyModel, TinyModels, training_text

PROMPTS = {"query": "find what answers: ", "document": "a text that says: ", "topic": "what is it about? "}
TEXTS = [*training_text()[:5], "short", ""]


@pytest.fixture(scope="module", params=[True, False], ids=["pooled", "left out"])
def prompted(
    request: pytest.FixtureRequest, tiny_models: TinyModels, tmp_path_factory: pytest.TempPathFactory
) -> TinyModel:
    """A bi-encoder with prompts, which its pooling includes or leaves out."""
    directory = tmp_path_factory.mktemp("prompted") / "model"
    modules = [
        Transformer(str(tiny_models["bert", "embedding"].directory)),
        Pooling(64, "mean", include_prompt=request.param),
    ]
    model = SentenceTransformer(modules=modules, prompts=PROMPTS, default_prompt_name="topic", device="cpu")
    model.save(str(directory))
    return TinyModel(directory, "bert", "embedding")


@cache
def reference(directory: Path) -> SentenceTransformer:
    return SentenceTransformer(str(directory), device="cpu")


def test_ranking_reads_the_query_with_its_prompt_and_documents_with_theirs(prompted: TinyModel) -> None:
    sentences = reference(prompted.directory)
    expected = sentences.similarity(sentences.encode_query(["who"]), sentences.encode_document(TEXTS))[0].numpy()
    found = by_index(Service(prompted).rank("who", TEXTS, raw_scores=True))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("asked", "name"),
    [({}, "topic"), ({"input_type": "query"}, "query"), ({"input_type": "document"}, "document")]
    + [({"prompt_name": name}, name) for name in PROMPTS],
)
def test_vectors_are_those_of_the_prompt_that_is_asked_for(
    prompted: TinyModel, asked: dict[str, Literal["query", "document"]], name: str
) -> None:
    expected = reference(prompted.directory).encode(TEXTS, prompt_name=name)
    found = Service(prompted).ask(EmbedRequest("tiny", TEXTS, truncate=True, **asked))
    np.testing.assert_allclose(found.vectors, expected, atol=1e-5)
    unit = Service(prompted).ask(EmbedRequest("tiny", TEXTS, truncate=True, normalize=True, **asked)).vectors
    np.testing.assert_allclose(unit, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-5)


def test_a_text_that_is_given_as_token_ids_has_the_prompts_before_it(prompted: TinyModel) -> None:
    [token_ids] = Tokenizer.load(prompted.directory).encode(["whales are large"])
    service = Service(prompted)
    text = service.ask(EmbedRequest("tiny", ["whales are large"], prompt_name="query")).vectors
    ids = service.ask(EmbedRequest("tiny", [token_ids.tolist()], prompt_name="query")).vectors
    np.testing.assert_allclose(ids, text, atol=1e-5)


def test_a_prompt_that_the_model_has_not_is_refused_with_those_that_it_has(prompted: TinyModel) -> None:
    for request in (
        EmbedRequest("tiny", ["a"], prompt_name="clustering"),
        RerankRequest("tiny", "a", [], prompt_name="clustering"),
    ):
        with pytest.raises(ServiceError, match=r"'clustering' .* it has 'query', 'document', 'topic'") as raised:
            Service(prompted).ask(request)
        assert raised.value.param == "prompt_name"


def test_a_passages_place_does_not_count_the_prompt(prompted: TinyModel) -> None:
    [result] = Service(prompted).rank("who", ["red fish swim"], return_passages=True).results
    assert result.passage == Span(0, len("red fish swim"))


def test_a_clients_limit_of_a_document_does_not_count_the_prompt(prompted: TinyModel) -> None:
    [beginning] = Tokenizer.load(prompted.directory).encode(["red fish"])
    limited = Reading(max_document_tokens=beginning.size)
    service = Service(prompted)
    cut = service.rank("who", ["red fish swim in the sea"], reading=limited, raw_scores=True)
    whole = service.rank("who", ["red fish"], raw_scores=True)
    assert cut.results[0].relevance_score == pytest.approx(whole.results[0].relevance_score, abs=1e-6)
    assert cut.usage.tokens == whole.usage.tokens


@pytest.mark.parametrize("most", [5, 8, 20])
def test_a_prompt_that_a_clients_limit_cuts_is_left_out_as_in_sentence_transformers(
    prompted: TinyModel, most: int
) -> None:
    sentences = SentenceTransformer(str(prompted.directory), device="cpu")
    sentences.max_seq_length = most
    expected = sentences.similarity(sentences.encode_query(["who"]), sentences.encode_document(TEXTS))[0].numpy()
    reading = Reading(max_sequence_tokens=most)
    found = by_index(Service(prompted).rank("who", TEXTS, raw_scores=True, reading=reading))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_clients_limit_that_does_not_bind_changes_nothing(prompted: TinyModel) -> None:
    texts, service = [" ".join(training_text()[:9]), "short"], Service(prompted)
    plain, limited = (
        by_index(service.rank("who", texts, raw_scores=True, reading=Reading(truncated_side="left", **limits)))
        for limits in ({}, {"max_document_tokens": 100_000, "max_query_tokens": 100_000})
    )
    np.testing.assert_allclose(limited, plain, atol=1e-6)


def test_a_cross_encoders_default_prompt_comes_before_the_query(tiny_models: TinyModels, tmp_path: Path) -> None:
    tiny = tiny_models["bert", "classification"]
    plain = CrossEncoder(str(tiny.directory), device="cpu", prompts=PROMPTS, default_prompt_name="topic")
    plain.save(str(tmp_path / "model"))
    saved = CrossEncoder(str(tmp_path / "model"), device="cpu")
    expected = saved.predict([("who", text) for text in TEXTS], activation_fn=nn.Identity())
    found = by_index(
        Service(TinyModel(tmp_path / "model", "bert", "classification")).rank("who", TEXTS, raw_scores=True)
    )
    np.testing.assert_allclose(found, expected, atol=1e-4)
