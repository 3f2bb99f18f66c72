"""Each module and each order of them, on random states: what sentence-transformers' modules give, ours give."""

import json
from pathlib import Path

import pytest
import torch
from sentence_transformers.util import import_from_string

from serve_app.engine.layers.placement import Placement
from serve_app.engine.modules.config import Chain
from serve_app.engine.modules.head import ChainHead
from serve_app.engine.modules.model_config import read_model
from tests.engine.modules.saved import MEAN, NORMALIZE, Part, dense, layer_norm, pooling, save
from tests.scheduling.device import sequences
from tests.tiny_models import HIDDEN, TinyModels

CPU = Placement(torch.device("cpu"), torch.float32)
LENGTHS = [1, 7, 4]


def rows_of(chain: Chain, states: torch.Tensor) -> torch.Tensor:
    batch = sequences(*([5] * length for length in LENGTHS))
    step, head = CPU.pack(batch, batch.places), ChainHead(chain, chain.states, CPU)
    read = {"first": step.starts, "last": step.bounds[1:] - 1}.get(head.states)
    with torch.inference_mode():
        rows = head(states if read is None else states.index_select(0, read), step)
        # An encoder may give all of them.
        torch.testing.assert_close(ChainHead(chain, "all", CPU)(states, step), rows)
    return rows


def reference_rows(directory: Path, states: torch.Tensor) -> torch.Tensor:
    mask = (torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]).long()
    padded = torch.nn.utils.rnn.pad_sequence(states.split(LENGTHS), batch_first=True, padding_value=9.0)
    features = {"token_embeddings": padded, "attention_mask": mask}
    for entry in json.loads((directory / "modules.json").read_text())[1:]:
        module = import_from_string(entry["type"]).load(str(directory), subfolder=entry["path"]).eval()
        with torch.inference_mode():
            features = module(features)
    return features["sentence_embedding"]


def same_rows(directory: Path) -> None:
    states, chain = torch.randn(sum(LENGTHS), HIDDEN), read_model(directory).chain
    assert chain is not None
    found = rows_of(chain, states)
    assert found.shape == (len(LENGTHS), chain.width)
    torch.testing.assert_close(found, reference_rows(directory, states), atol=1e-4, rtol=0)


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
def test_a_chain_of_modules_gives_its_rows(tiny_models: TinyModels, tmp_path: Path, parts: list[Part]) -> None:
    same_rows(save(tmp_path, tiny_models["bert", "embedding"], parts))


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
    same_rows(save(tmp_path, tiny_models["bert", "embedding"], parts))
