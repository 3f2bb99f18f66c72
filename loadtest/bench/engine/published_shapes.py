"""Published rerankers by their shapes alone: what their config.json says of widths and layers, and weights of nothing.

What of a config.json changes no shape is left out.
"""

from pathlib import Path
from typing import Any

import torch

from loadtest.bench.engine.base_model import CONFIG as BGE_RERANKER_BASE
from loadtest.bench.engine.decoder_model import SHAPES as DECODERS
from serve_app.engine.models.config import EncoderConfig
from serve_app.engine.models.families import FAMILIES
from serve_app.engine.models.fields import Fields
from serve_app.engine.models.qwen.head import OUTPUT
from serve_app.engine.weights import Weights

BASE = {"hidden_size": 768, "intermediate_size": 3_072, "num_hidden_layers": 12, "num_attention_heads": 12}

SHAPES: dict[str, dict[str, Any]] = {
    "bge-reranker-base": BGE_RERANKER_BASE,
    "bge-reranker-v2-m3": BGE_RERANKER_BASE
    | {
        "hidden_size": 1_024,
        "intermediate_size": 4_096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "max_position_embeddings": 8_194,
    },
    "ms-marco-MiniLM-L-12": {
        "model_type": "bert",
        "hidden_size": 384,
        "intermediate_size": 1_536,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "vocab_size": 30_522,
        "max_position_embeddings": 512,
        "hidden_act": "gelu",
    },
    # Heads of 26 numbers, which the kernel for 16 bits refuses.
    "ms-marco-TinyBERT-L-4": {
        "model_type": "bert",
        "hidden_size": 312,
        "intermediate_size": 1_200,
        "num_hidden_layers": 4,
        "num_attention_heads": 12,
        "vocab_size": 30_522,
        "max_position_embeddings": 512,
        "hidden_act": "gelu",
    },
    "gte-reranker-modernbert-base": BASE
    | {
        "model_type": "modernbert",
        "intermediate_size": 1_152,
        "num_hidden_layers": 22,
        "vocab_size": 50_368,
        "max_position_embeddings": 8_192,
        "hidden_activation": "gelu",
        "classifier_activation": "gelu",
        "classifier_pooling": "mean",
    },
    "mxbai-rerank-base": BASE
    | {
        "model_type": "deberta-v2",
        "vocab_size": 128_100,
        "max_position_embeddings": 512,
        "hidden_act": "gelu",
        "pooler_hidden_act": "gelu",
        "relative_attention": True,
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
        "pos_att_type": "p2c|c2p",
        "position_buckets": 256,
        "position_biased_input": False,
    },
    "gte-multilingual-reranker-base": BASE
    | {
        "model_type": "new",
        "vocab_size": 250_048,
        "max_position_embeddings": 8_192,
        "hidden_act": "gelu",
        "type_vocab_size": 1,
    },
    **DECODERS,
}
# The prompts of decoders and queries of some 20 tokens take so many, of which all documents of a request share one.
BEGINNING_TOKENS = 100


def encoder_config(raw: dict[str, Any]) -> EncoderConfig:
    """The configuration of a cross-encoder of this shape, as those of SHAPES are."""
    _, read = FAMILIES[raw["model_type"]]
    return read(Fields(Path("config.json"), raw), "classification")


class NoWeights(Weights):
    """Every tensor that is asked for, in the shape that is asked for, and whatever is in the memory."""

    def __init__(self) -> None: ...

    def __contains__(self, name: str) -> bool:
        """See Weights. Of two forms in which a checkpoint may be, it has the first; no tied output has a table."""
        return name != OUTPUT

    def table(self, name: str, *shape: int) -> torch.Tensor:  # noqa: ARG002
        """See Weights."""
        return torch.empty(shape)
