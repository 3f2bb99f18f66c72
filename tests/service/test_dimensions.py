"""Vectors are cut where the model's card allows it, to length 1 where the model's own have it, or it is refused."""

from dataclasses import replace

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from serve_app.domain.errors import ServiceError
from serve_app.domain.request import EmbedRequest
from tests.service.decoders import directory, embedder_card
from tests.service.reranking import Service, card_of
from tests.tiny_models import TinyModels

TEXTS = ["red fish", "the sea", "", "巴黎是法国的首都。"]
WIDTH, FEWEST = 64, 8


@pytest.mark.parametrize("dimensions", [FEWEST, 33, WIDTH])
def test_a_cut_vector_is_sentence_transformers_of_length_1(dimensions: int) -> None:
    sentences = SentenceTransformer(str(directory("qwen3", "embedding")), device="cpu", truncate_dim=dimensions)
    expected = sentences.encode(TEXTS, normalize_embeddings=True)
    found = Service(embedder_card(FEWEST)).ask(EmbedRequest(None, TEXTS, dimensions=dimensions)).vectors
    assert found.shape == (len(TEXTS), dimensions)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_one_that_is_not_to_have_length_1_is_cut_alone() -> None:
    service = Service(embedder_card(FEWEST))
    whole = service.ask(EmbedRequest(None, TEXTS)).vectors
    cut = service.ask(EmbedRequest(None, TEXTS, dimensions=20, normalize=False)).vectors
    np.testing.assert_array_equal(cut, whole[:, :20])


def test_where_the_models_own_have_any_length_only_the_client_changes_it(tiny_models: TinyModels) -> None:
    service = Service(replace(card_of(tiny_models["bert", "embedding"]), fewest_dimensions=FEWEST))
    whole = service.ask(EmbedRequest(None, TEXTS)).vectors
    cut = service.ask(EmbedRequest(None, TEXTS, dimensions=20)).vectors
    np.testing.assert_array_equal(cut, whole[:, :20])
    unit = service.ask(EmbedRequest(None, TEXTS, dimensions=20, normalize=True)).vectors
    np.testing.assert_allclose(unit, cut / np.linalg.norm(cut, axis=1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize(
    ("fewest", "dimensions", "said"),
    [(FEWEST, 7, "8 to 64"), (FEWEST, 65, "8 to 64"), (None, 32, "64 for"), (1_000, 32, "64 for")],
)
def test_what_the_card_does_not_allow_is_refused_with_what_it_does(
    fewest: int | None, dimensions: int, said: str
) -> None:
    with pytest.raises(ServiceError, match=f"dimensions must be {said}") as raised:
        Service(embedder_card(fewest)).ask(EmbedRequest(None, TEXTS, dimensions=dimensions))
    assert raised.value.param == "dimensions"
