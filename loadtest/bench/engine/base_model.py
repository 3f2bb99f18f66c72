"""A model directory in the shape of BAAI/bge-reranker-base, with random weights: a network is not needed to measure."""

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file

from loadtest import REPORTS

BASE_MODEL = REPORTS / "base-model"

HIDDEN, INTERMEDIATE, LAYERS, VOCABULARY, POSITIONS = 768, 3_072, 12, 250_002, 514

CONFIG = {
    "architectures": ["XLMRobertaForSequenceClassification"],
    "model_type": "xlm-roberta",
    "hidden_size": HIDDEN,
    "intermediate_size": INTERMEDIATE,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 12,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": POSITIONS,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
    "hidden_act": "gelu",
    "id2label": {"0": "LABEL_0"},
    "bos_token_id": 0,
    "pad_token_id": 1,
    "eos_token_id": 2,
}


def make_base_model(directory: Path) -> Path:
    """Write the directory, 1.1 GB, unless it is there."""
    weights = directory / "model.safetensors"
    if not weights.exists():
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "config.json").write_text(json.dumps(CONFIG, indent=2))
        torch.manual_seed(0)
        save_file({name: _random(name, shape) for name, shape in _shapes()}, weights.with_suffix(".part"))
        weights.with_suffix(".part").rename(weights)
    return directory


def _random(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    if name.endswith("LayerNorm.weight"):
        return torch.ones(shape)
    return torch.zeros(shape) if name.endswith("bias") else torch.randn(shape) * 0.02


def _shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    embeddings = "roberta.embeddings"
    for table, rows in (("word", VOCABULARY), ("position", POSITIONS), ("token_type", 1)):
        yield f"{embeddings}.{table}_embeddings.weight", (rows, HIDDEN)
    yield from _norm(f"{embeddings}.LayerNorm")
    for number in range(LAYERS):
        layer = f"roberta.encoder.layer.{number}"
        for part in ("query", "key", "value"):
            yield from _linear(f"{layer}.attention.self.{part}", HIDDEN, HIDDEN)
        yield from _linear(f"{layer}.attention.output.dense", HIDDEN, HIDDEN)
        yield from _linear(f"{layer}.intermediate.dense", INTERMEDIATE, HIDDEN)
        yield from _linear(f"{layer}.output.dense", HIDDEN, INTERMEDIATE)
        yield from _norm(f"{layer}.attention.output.LayerNorm")
        yield from _norm(f"{layer}.output.LayerNorm")
    yield from _linear("classifier.dense", HIDDEN, HIDDEN)
    yield from _linear("classifier.out_proj", 1, HIDDEN)


def _linear(name: str, outputs: int, inputs: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (outputs, inputs)
    yield f"{name}.bias", (outputs,)


def _norm(name: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (HIDDEN,)
    yield f"{name}.bias", (HIDDEN,)
