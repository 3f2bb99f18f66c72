"""Other published models, by their shapes: random weights, so that nothing is fetched."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    DebertaV2Config,
    ModernBertConfig,
    PretrainedConfig,
    XLMRobertaConfig,
)

from loadtest import REPORTS
from loadtest.bench.gpu.bench import Bench
from loadtest.bench.gpu.profile import kernels
from loadtest.bench.gpu.rows import Row, tried
from loadtest.bench.gpu.speed import one_set
from loadtest.bench.gpu.timing import product_rate, product_shapes

SHOWN = 6  # kernels

# As the hub has them; what is left out is the default of transformers.
SHAPES: dict[str, tuple[type[PretrainedConfig], dict[str, Any]]] = {
    "ms-marco-MiniLM-L-12": (
        BertConfig,
        {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 1_536},
    ),
    "bge-reranker-v2-m3": (
        XLMRobertaConfig,
        {"vocab_size": 250_002, "hidden_size": 1_024, "num_hidden_layers": 24, "num_attention_heads": 16}
        | {"intermediate_size": 4_096, "max_position_embeddings": 8_194, "type_vocab_size": 1, "layer_norm_eps": 1e-5},
    ),
    "gte-reranker-modernbert-base": (ModernBertConfig, {"classifier_pooling": "mean"}),
    "mxbai-rerank-base": (
        DebertaV2Config,
        {"vocab_size": 128_100, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12}
        | {"intermediate_size": 3_072, "max_position_embeddings": 512, "type_vocab_size": 0, "layer_norm_eps": 1e-7}
        | {"relative_attention": True, "position_buckets": 256, "norm_rel_ebd": "layer_norm", "share_att_key": True}
        | {"pos_att_type": "p2c|c2p", "position_biased_input": False},
    ),
}
SMALL = {"num_hidden_layers": 2, "hidden_size": 96, "num_attention_heads": 3}


def published(bench: Bench) -> Iterator[Row]:
    """Documents a second of other models in 16 bits, and their kernels that take longest."""
    for name, (kind, options) in SHAPES.items():
        config = kind(num_labels=1, **options | (SMALL if bench.quick else {}))
        yield from tried(name, _one(bench, name, config))
        bench.forget()


def _one(bench: Bench, name: str, config: PretrainedConfig) -> Iterator[Row]:
    model = bench.load(_directory(bench, name, config), "fast")
    shapes = product_shapes(model.config.encoder)
    rate = product_rate(shapes, bench.on, model.placement.dtype, bench.step, bench.rounds)
    for each in ("128", "mixed"):
        yield one_set(bench, model, each, bench.step, rate=rate, title=f"{name}, {each}, {model.precision}")
    for row in kernels(bench, model, SHOWN):
        yield Row(f"{name}: {row.name}", row.value, row.unit, note=row.note)


def _directory(bench: Bench, name: str, config: PretrainedConfig) -> Path:
    directory = (bench.tiny.root if bench.quick else REPORTS / "shapes") / name
    if not (directory / "model.safetensors").exists():
        torch.manual_seed(0)
        with bench.on:
            model = AutoModelForSequenceClassification.from_config(config)
        model.save_pretrained(directory)
    return directory
