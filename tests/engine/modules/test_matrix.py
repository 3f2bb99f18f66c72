"""Directories with one quirk each: what sentence-transformers gives for them, the engine gives."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import LayerNorm, Pooling

from serve_app.engine.assembly import load_text_side
from serve_app.engine.modules.model_config import read_model
from tests.engine.loaded import Engine
from tests.engine.modules.saved import MEAN, NORMALIZE, dense, layer_norm, pooling, save, write
from tests.engine.spoilt import configure
from tests.tiny_models import HIDDEN, TOKENS, TinyModel, TinyModels, training_text

LONG = " ".join(training_text()[:12])  # longer than the models read
TEXTS = [*training_text()[:3], LONG, "a", ""]
PROMPTS = {
    "prompts": {"query": "query: ", "passage": "passage: ", "sts": "compare this: "},
    "default_prompt_name": "sts",
}
FAMILIES = ("bert", "xlm-roberta", "modernbert", "deberta-v2")


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)


def engine_of(directory: Path) -> Engine:
    return Engine(TinyModel(directory, "", ""))


def same_vectors(directory: Path) -> np.ndarray:
    """The engine's vectors, once they are those of sentence-transformers for each way of asking."""
    reference, engine, side = (
        SentenceTransformer(str(directory), device="cpu"),
        engine_of(directory),
        load_text_side(directory),
    )
    assert side.vector_width == engine.model.width == reference.get_embedding_dimension()
    assert side.form.similarity == reference.similarity_fn_name
    assert dict(side.prompts.named) == reference.prompts
    ways: list[tuple[Callable[..., np.ndarray], str]] = [
        (reference.encode, side.prompts.default),
        (reference.encode_query, side.prompts.query),
        (reference.encode_document, side.prompts.document),
    ]
    for encode, prompt in ways:
        found = engine.vectors(TEXTS, prompt, include_prompt=side.include_prompt)
        np.testing.assert_allclose(found, encode(TEXTS), atol=1e-4, rtol=0)
    return found


def test_all_modules_give_the_vectors_together(tiny_models: TinyModels, tmp_path: Path) -> None:
    of_tokens, two = dense(HIDDEN, 32, module_input_name="token_embeddings"), {"word_embedding_dimension": 32}
    parts = [of_tokens, pooling("max", "mean", **two), layer_norm(), dense(HIDDEN, 24), NORMALIZE]
    same_vectors(save(tmp_path, tiny_models["bert", "embedding"], parts))


@pytest.mark.parametrize("head", ["embedding", "classification"])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("quirk", ["prompts", "prompts left out", "sub-folder", "long"])
def test_each_family_behaves_as_in_sentence_transformers(
    tiny_models: TinyModels, tmp_path: Path, family: str, head: str, quirk: str
) -> None:
    parts, options = [pooling("mean", "cls"), NORMALIZE], dict[str, Any]()
    # Without it, sentence-transformers reads more tokens than XLM-R has positions for, and fails.
    options["sentence"] = {"max_seq_length": TOKENS}
    match quirk:
        case "prompts":
            options |= {"settings": PROMPTS}
        case "prompts left out":
            parts = [pooling("mean", "cls", "max", "lasttoken", "weightedmean", include_prompt=False), NORMALIZE]
            options |= {"settings": PROMPTS}
        case "sub-folder":
            options |= {"transformer": "0_Transformer", "sentence": {"max_seq_length": 40, "do_lower_case": False}}
        case "long":
            # More than max_position_embeddings, where positions are computed.
            options["sentence"] = {"max_seq_length": TOKENS if family in {"bert", "xlm-roberta"} else 2 * TOKENS + 9}
    same_vectors(save(tmp_path, tiny_models[family, head], parts, **options))


SETTINGS: dict[str, dict[str, Any]] = {
    "cut": {"truncate_dim": 10},
    "cut by more than there is": {"truncate_dim": 1_000},
    "dot": {"similarity_fn_name": "dot"},
    "manhattan": {"similarity_fn_name": "manhattan", "model_type": "SentenceTransformer"},
    "similarity unsaid": {"similarity_fn_name": None, "truncate_dim": None},
    "document and passage": {"prompts": {"document": "text: ", "passage": "passage: "}},
    "passage alone": {"prompts": {"passage": "passage: "}},
    "default without a text": {"default_prompt_name": "query"},
    "null prompt": {"prompts": {"query": None, "other": None}},
    "versions": {"__version__": {"sentence_transformers": "2.0.0"}},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_settings_of_a_model_are_honoured(tiny_models: TinyModels, tmp_path: Path, settings: dict[str, Any]) -> None:
    same_vectors(save(tmp_path, tiny_models["bert", "embedding"], [MEAN, NORMALIZE], settings=settings))


TEXT = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}


def test_text_is_put_into_lower_case_where_a_transformers_settings_say_so(
    tiny_models: TinyModels, tmp_path: Path
) -> None:
    sentence = {"do_lower_case": True, "max_seq_length": TOKENS}
    same_vectors(save(tmp_path, tiny_models["xlm-roberta", "embedding"], [MEAN], sentence=sentence))


SENTENCE: dict[str, dict[str, Any]] = {
    "short": {"max_seq_length": 20},
    "unsaid": {"max_seq_length": None, "do_lower_case": False, "tokenizer_name_or_path": None},
    "by the tokenizer's arguments": {"max_seq_length": 20, "tokenizer_args": {"model_max_length": 30}},
    "arguments without effect": {"model_args": {"attn_implementation": "eager"}, "config_args": {}},
    "modalities": {"modality_config": TEXT, "module_output_name": "token_embeddings", "unpad_inputs": False},
}


@pytest.mark.parametrize("sentence", SENTENCE.values(), ids=SENTENCE)
def test_settings_of_a_transformer_are_honoured(
    tiny_models: TinyModels, tmp_path: Path, sentence: dict[str, Any]
) -> None:
    same_vectors(save(tmp_path, tiny_models["bert", "embedding"], [MEAN], sentence=sentence))


def test_what_sentence_transformers_saves_today_is_read(tiny_models: TinyModels, tmp_path: Path) -> None:
    modules = [
        Transformer(str(tiny_models["bert", "embedding"].directory), processor_kwargs={"model_max_length": 50}),
        Pooling(HIDDEN, ("lasttoken", "mean"), include_prompt=False),
        Dense(2 * HIDDEN, 32, activation_function=torch.nn.GELU(), use_residual=True),
        LayerNorm(32),
        Normalize(),
    ]
    prompts = {"query": "query: ", "document": "text: "}
    model = SentenceTransformer(modules=modules, prompts=prompts, truncate_dim=20, similarity_fn_name="euclidean")
    model.save(str(tmp_path))
    assert engine_of(tmp_path).form.max_tokens == 50
    same_vectors(tmp_path)


@pytest.mark.parametrize("family", FAMILIES)
def test_without_modules_the_mean_is_the_vector_as_it_is(tiny_models: TinyModels, tmp_path: Path, family: str) -> None:
    same_vectors(plain(tmp_path, tiny_models[family, "embedding"], sentence={"max_seq_length": 9}))


def plain(directory: Path, tiny: TinyModel, **options: Any) -> Path:
    """A directory without modules."""
    save(directory, tiny, [], **options)
    (directory / "modules.json").unlink()
    if tiny.family == "xlm-roberta":
        # Otherwise sentence-transformers reads more tokens than there are positions, and fails.
        write(directory / "tokenizer_config.json", {"model_max_length": TOKENS})
    return directory


def same_scores(directory: Path) -> None:
    reference, engine, side = (
        CrossEncoder(str(directory), device="cpu"),
        engine_of(directory),
        load_text_side(directory),
    )
    assert (side.vector_width, side.pooling, side.form.reads_pairs) == (None, None, True)
    query, documents = TEXTS[0][:60], [text[:150] for text in TEXTS]
    expected = reference.predict([(query, document) for document in documents], activation_fn=torch.nn.Identity())
    assert expected.ndim == 1
    found = engine.scores(side.prompts.query + query, documents)
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_cross_encoder_that_sentence_transformers_saved_is_read(
    tiny_models: TinyModels, tmp_path: Path, family: str
) -> None:
    model = CrossEncoder(
        str(plain(tmp_path / "plain", tiny_models[family, "classification"])),
        prompts={"ask": "question: "},
        default_prompt_name="ask",
        activation_fn=torch.nn.Identity(),
    )
    model.save(str(tmp_path / "saved"))
    assert load_text_side(tmp_path / "saved").prompts.query == "question: "
    same_scores(tmp_path / "saved")


def test_a_cross_encoder_of_pooling_and_dense_is_read(tiny_models: TinyModels, tmp_path: Path) -> None:
    score = Dense(2 * HIDDEN, 1, activation_function=torch.nn.Identity(), module_output_name="scores")
    transformer = Transformer(str(tiny_models["bert", "embedding"].directory))
    modules = [transformer, Pooling(HIDDEN, ("max", "mean")), Dense(2 * HIDDEN, 2 * HIDDEN), score]
    CrossEncoder(modules=modules, prompts={"a": "about: "}, default_prompt_name="a").save(str(tmp_path))
    same_scores(tmp_path)


@pytest.mark.parametrize("family", FAMILIES)
def test_where_no_architecture_is_named_the_weights_tell(tiny_models: TinyModels, tmp_path: Path, family: str) -> None:
    for head, same in (("classification", same_scores), ("embedding", same_vectors)):
        directory = plain(tmp_path / head, tiny_models[family, head])
        configure(directory, architectures=None, id2label={"0": "no", "1": "yes"})
        same(directory)
        read = read_model(directory)
        configure(directory, architectures=[])  # with which sentence-transformers fails
        assert read_model(directory) == read
