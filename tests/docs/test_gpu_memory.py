"""The table of docs/gpu.md that says what each model of the catalogue takes on a GPU."""

from pathlib import Path
from typing import Any

import pytest

from serve_app.catalog.card import Card
from serve_app.catalog.catalog import load_catalog
from serve_app.engine.memory import CUDA_CONTEXT_BYTES, GIB, needed_bytes, weight_bytes
from serve_app.engine.models.config import EncoderConfig
from serve_app.engine.models.families import FAMILIES
from serve_app.engine.models.fields import Fields
from tests.docs.pages import DOCS

MINILM = {
    "model_type": "bert",
    "hidden_size": 384,
    "intermediate_size": 1_536,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "vocab_size": 30_522,
    "max_position_embeddings": 512,
    "hidden_act": "gelu",
}
BASE = {
    "model_type": "xlm-roberta",
    "hidden_size": 768,
    "intermediate_size": 3_072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "vocab_size": 250_002,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "hidden_act": "gelu",
}
LARGE = BASE | {
    "hidden_size": 1_024,
    "intermediate_size": 4_096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
}
# What the published config.json says of widths, layers and tables.
SHAPES: dict[str, dict[str, Any]] = {
    "sentence-transformers/all-MiniLM-L6-v2": MINILM,
    "cross-encoder/ms-marco-MiniLM-L6-v2": MINILM,
    "mixedbread-ai/mxbai-rerank-xsmall-v1": {
        "model_type": "deberta-v2",
        "hidden_size": 384,
        "intermediate_size": 1_536,
        "num_hidden_layers": 12,
        "num_attention_heads": 6,
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
    "Alibaba-NLP/gte-reranker-modernbert-base": {
        "model_type": "modernbert",
        "hidden_size": 768,
        "intermediate_size": 1_152,
        "num_hidden_layers": 22,
        "num_attention_heads": 12,
        "vocab_size": 50_368,
        "max_position_embeddings": 8_192,
        "hidden_activation": "gelu",
    },
    "BAAI/bge-reranker-base": BASE,
    "BAAI/bge-reranker-large": LARGE,
    "BAAI/bge-reranker-v2-m3": LARGE | {"max_position_embeddings": 8_194},
}
CARDS = {card.id: card for card in load_catalog()}


def encoder(name: str) -> EncoderConfig:
    raw = SHAPES[name]
    _, read = FAMILIES[raw["model_type"]]
    return read(Fields(Path(name) / "config.json", raw), "classification")


def row(card: Card) -> str:
    config = encoder(card.id)
    cells = [card.id]
    for size in (2, 4):
        needed = needed_bytes(config, "cuda", size) + CUDA_CONTEXT_BYTES
        cells += [f"{weight_bytes(config, size) / GIB:.2f}", f"{needed / GIB:.1f}"]
    return f"| {' | '.join(cells)} |"


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_the_shapes_have_as_many_parameters_as_the_card_says(card: Card) -> None:
    config = encoder(card.id)
    assert config.table_parameters + config.layer_parameters == pytest.approx(card.parameters, rel=0.01)


def test_the_table_has_what_each_model_is_counted_to_take() -> None:
    text = (DOCS / "gpu.md").read_text()
    assert [line for line in text.splitlines() if line.startswith(tuple(f"| {name} |" for name in CARDS))] == [
        row(card) for card in CARDS.values()
    ]
