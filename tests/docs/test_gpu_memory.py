"""The table of docs/gpu.md that says what each model of the catalogue takes on a GPU."""

from typing import Any

import pytest

from loadtest.bench.engine.published_shapes import SHAPES as PUBLISHED
from loadtest.bench.engine.published_shapes import encoder_config
from serve_app.catalog.card import Card
from serve_app.catalog.catalog import load_catalog
from serve_app.engine.memory import CUDA_CONTEXT_BYTES, GIB, needed_bytes, weight_bytes
from tests.docs.pages import DOCS

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
}
CARDS = {card.id: card for card in load_catalog()}


def row(card: Card) -> str:
    config = encoder_config(SHAPES[card.id])
    cells = [card.id]
    for size in (2, 4):
        needed = needed_bytes(config, "cuda", size) + CUDA_CONTEXT_BYTES
        cells += [f"{weight_bytes(config, size) / GIB:.2f}", f"{needed / GIB:.1f}"]
    return f"| {' | '.join(cells)} |"


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_the_shapes_have_as_many_parameters_as_the_card_says(card: Card) -> None:
    config = encoder_config(SHAPES[card.id])
    assert config.table_parameters + config.layer_parameters == pytest.approx(card.parameters, rel=0.01)


def test_the_table_has_what_each_model_is_counted_to_take() -> None:
    text = (DOCS / "gpu.md").read_text()
    assert [line for line in text.splitlines() if line.startswith(tuple(f"| {name} |" for name in CARDS))] == [
        row(card) for card in CARDS.values()
    ]
