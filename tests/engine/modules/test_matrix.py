"""Directories with one quirk each: what sentence-transformers gives for them, the engine gives."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from serve_app.engine.assembly import load_text_side
from tests.engine.loaded import Engine
from tests.engine.modules.saved import MEAN, NORMALIZE, Part, dense, layer_norm, pooling, save
from tests.tiny_models import HIDDEN, TinyModel, TinyModels, training_text

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


def linear_names(activation: str) -> str:
    return f"torch.nn.modules.{'linear' if activation == 'Identity' else 'activation'}.{activation}"


CHAINS: dict[str, list[Part]] = {
    "mean": [MEAN],
    "cls": [pooling("cls")],
    "max": [pooling("max")],
    "last token": [pooling("lasttoken")],
    "weighted": [pooling("weightedmean")],
    "root": [pooling("mean_sqrt_len_tokens")],
    "several, in their order": [pooling("max", "cls", "mean")],
    "normalized": [MEAN, NORMALIZE],
    "normalized, saved with its settings": [MEAN, Part("Normalize", {"module_input_name": "sentence_embedding"})],
    "of tokens": [Part("Normalize", {"module_input_name": "token_embeddings"}), MEAN],
    "normalized before there is a vector": [NORMALIZE, MEAN],
    "legacy, none said": [Part("Pooling", {"word_embedding_dimension": HIDDEN})],
    "legacy, none true": [Part("Pooling", {"word_embedding_dimension": HIDDEN, "pooling_mode_cls_token": False})],
    "legacy, several": [
        Part(
            "Pooling",
            {
                "word_embedding_dimension": HIDDEN,
                "pooling_mode_lasttoken": True,
                "pooling_mode_mean_tokens": True,
                "pooling_mode_max_tokens": True,
                "pooling_mode_cls_token": True,
            },
        )
    ],
    "legacy beside a mode": [pooling("max", pooling_mode_cls_token=True)],
    "dense": [MEAN, dense(HIDDEN, 24)],
    "dense of a text": [MEAN, Part("Dense", {"in_features": HIDDEN, "out_features": 8}, dense(HIDDEN, 8).tensors)],
    "dense without bias": [MEAN, dense(HIDDEN, 24, bias=False)],
    "dense with its input": [MEAN, dense(HIDDEN, HIDDEN, use_residual=True)],
    "dense with its input projected": [MEAN, dense(HIDDEN, 24, use_residual=True), NORMALIZE],
    "dense of tokens": [dense(HIDDEN, HIDDEN, module_input_name="token_embeddings"), MEAN],
    "dense of first tokens": [dense(HIDDEN, HIDDEN, module_input_name="token_embeddings"), pooling("cls")],
    "several dense": [pooling("cls", "max"), dense(2 * HIDDEN, 32), dense(32, 16), NORMALIZE],
    "layer norm": [MEAN, layer_norm(), NORMALIZE],
    "dropout": [MEAN, Part("Dropout", {"dropout": 0.5})],
    "pooled twice": [pooling("max"), dense(HIDDEN, HIDDEN), MEAN],
    **{
        activation: [MEAN, dense(HIDDEN, 24, linear_names(activation))]
        for activation in (
            "ELU", "GELU", "Identity", "LeakyReLU", "Mish", "ReLU", "SELU", "SiLU", "Sigmoid", "Softplus",
        )
    },
    "activation by its short name": [MEAN, dense(HIDDEN, 24, "torch.nn.ReLU")],
}  # fmt: skip


@pytest.mark.parametrize("parts", CHAINS.values(), ids=CHAINS)
def test_a_chain_of_modules_gives_its_vectors(tiny_models: TinyModels, tmp_path: Path, parts: list[Part]) -> None:
    same_vectors(save(tmp_path, tiny_models["bert", "embedding"], parts))


HOMES = {
    "base": ("sentence_transformers.base.modules.dense", "sentence_transformers.base.modules.normalize"),
    "moved": (
        "sentence_transformers.sentence_transformer.modules",
        "sentence_transformers.sentence_transformer.modules.normalize",
    ),
    "old": ("sentence_transformers.models.Dense", "sentence_transformers.models.Normalize"),
}


@pytest.mark.parametrize("homes", HOMES.values(), ids=HOMES)
def test_modules_are_found_wherever_a_release_had_them(
    tiny_models: TinyModels, tmp_path: Path, homes: tuple[str, str]
) -> None:
    linear = dense(HIDDEN, 8)
    parts = [MEAN, Part(linear.kind, linear.config, linear.tensors, homes[0]), Part("Normalize", home=homes[1])]
    same_vectors(save(tmp_path, tiny_models["bert", "embedding"], parts))


@pytest.mark.parametrize("head", ["embedding", "classification"])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("quirk", ["prompts", "prompts left out", "sub-folder", "long"])
def test_each_family_behaves_as_in_sentence_transformers(
    tiny_models: TinyModels, tmp_path: Path, family: str, head: str, quirk: str
) -> None:
    parts, options = [pooling("mean", "cls"), NORMALIZE], dict[str, Any]()
    match quirk:
        case "prompts":
            options = {"settings": PROMPTS}
        case "prompts left out":
            parts = [pooling("mean", "cls", "max", "lasttoken", "weightedmean", include_prompt=False), NORMALIZE]
            options = {"settings": PROMPTS}
        case "sub-folder":
            options = {"transformer": "0_Transformer", "sentence": {"max_seq_length": 40, "do_lower_case": False}}
        case "long":
            options = {"sentence": {"max_seq_length": 128 if family in {"bert", "xlm-roberta"} else 300}}
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
