"""The table of docs/gpu.md that says what each model of the catalogue takes on a GPU."""

from typing import Any

import pytest

from loadtest.bench.engine.published_shapes import SHAPES as PUBLISHED
from loadtest.bench.engine.published_shapes import encoder_config
from serve_app.catalog.card import Card
from serve_app.catalog.catalog import load_catalog
from serve_app.engine.memory import CUDA_CONTEXT_BYTES, FLOAT32_BYTES, GIB, NumberBytes, needed_bytes, weight_bytes
from tests.docs.pages import DOCS


def decoder(name: str, architecture: str) -> dict[str, Any]:
    """The shape of a published decoder with another head."""
    return PUBLISHED[name] | {"architectures": [architecture]}


MINILM = PUBLISHED["ms-marco-MiniLM-L-12"] | {"num_hidden_layers": 6}
SHAPES: dict[str, dict[str, Any]] = {
    "sentence-transformers/all-MiniLM-L6-v2": MINILM,
    "cross-encoder/ms-marco-MiniLM-L6-v2": MINILM,
    "mixedbread-ai/mxbai-rerank-xsmall-v1": PUBLISHED["mxbai-rerank-base"]
    | {"hidden_size": 384, "intermediate_size": 1_536, "num_attention_heads": 6},
    "Alibaba-NLP/gte-reranker-modernbert-base": PUBLISHED["gte-reranker-modernbert-base"],
    "BAAI/bge-reranker-base": PUBLISHED["bge-reranker-base"],
    "BAAI/bge-reranker-large": PUBLISHED["bge-reranker-v2-m3"] | {"max_position_embeddings": 514},
    "BAAI/bge-reranker-v2-m3": PUBLISHED["bge-reranker-v2-m3"],
    **{f"mixedbread-ai/mxbai-rerank-{size}-v2": PUBLISHED[f"mxbai-rerank-{size}-v2"] for size in ("base", "large")},
    "Qwen/Qwen3-Embedding-0.6B": decoder("Qwen3-Reranker-0.6B", "Qwen3Model"),
    **{f"Qwen/Qwen3-Reranker-{size}": PUBLISHED[f"Qwen3-Reranker-{size}"] for size in ("0.6B", "4B", "8B")},
    **{
        f"tomaarsen/Qwen3-Reranker-{size}-seq-cls": decoder(f"Qwen3-Reranker-{size}", "Qwen3ForSequenceClassification")
        for size in ("0.6B", "4B", "8B")
    },
}
CARDS = {card.id: card for card in load_catalog()}


def row(card: Card) -> str:
    config = encoder_config(SHAPES[card.id])
    cells = [card.id]
    for size in (2, 4):
        # A decoder's table stays in the 16 bits of its file.
        numbers = NumberBytes.of_type(size, 2 if config.causal else FLOAT32_BYTES)
        needed = needed_bytes(config, "cuda", numbers) + CUDA_CONTEXT_BYTES
        cells += [f"{weight_bytes(config, numbers) / GIB:.2f}", f"{needed / GIB:.1f}"]
    return f"| {' | '.join(cells)} |"


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_the_shapes_have_as_many_parameters_as_the_card_says(card: Card) -> None:
    shape = SHAPES[card.id]
    config = encoder_config(shape)
    # Of a head over the vocabulary that is no copy of the input's table two rows are read.
    head = config.vocabulary * config.hidden if config.answers and not shape["tie_word_embeddings"] else 0
    assert config.table_parameters + config.layer_parameters + head == pytest.approx(card.parameters, rel=0.01)


def test_the_table_has_what_each_model_is_counted_to_take() -> None:
    text = (DOCS / "gpu.md").read_text().partition("## What a model takes")[2].partition("\n## ")[0]
    assert [line for line in text.splitlines() if line.startswith(tuple(f"| {name} |" for name in CARDS))] == [
        row(card) for card in CARDS.values()
    ]
