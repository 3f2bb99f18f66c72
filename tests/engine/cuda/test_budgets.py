"""How many kernels and copies a full step of published shapes takes: each is time of the host, and a gap on the GPU."""

import pytest

from loadtest.bench.engine.counted_step import counted_step, lengths_of
from tests.engine.cuda.loaded import CUDA


@pytest.mark.parametrize(
    ("model", "most"),
    [
        ("bge-reranker-base", 150),
        ("mxbai-rerank-base", 150),
        ("gte-reranker-modernbert-base", 300),
        ("gte-multilingual-reranker-base", 150),
    ],
)
def test_a_step_of_mixed_lengths_launches_few_kernels_between_one_copy_there_and_one_back(
    model: str, most: int
) -> None:
    step = counted_step(CUDA[True], model, lengths_of("mixed"))
    assert step.kernels <= most
    assert step.copies == 2


@pytest.mark.parametrize(
    ("model", "layers"),
    [("Qwen3-Reranker-0.6B", 28), ("Qwen3-Reranker-4B", 36), ("Qwen3-Reranker-8B", 36), ("mxbai-rerank-base-v2", 24)],
)
def test_a_decoders_step_launches_thirteen_kernels_a_layer_and_twelve_for_what_begins_it(
    model: str, layers: int
) -> None:
    plain = counted_step(CUDA[True], model, lengths_of("mixed"))
    assert plain.kernels <= 12 * layers + 20
    assert plain.copies == 2
    begun = counted_step(CUDA[True], model, lengths_of("mixed"), beginning=100)
    assert begun.kernels <= (13 + 12) * layers + 30
    # Two steps, and how keys and values lie behind those of the beginning.
    assert begun.copies == 4


def test_a_decoders_fused_layers_pass_less_than_half_of_the_bytes() -> None:
    fused, plain = (
        counted_step(CUDA[triton], "Qwen3-Reranker-0.6B", lengths_of("128"), beginning=100) for triton in (True, False)
    )
    assert fused.element_wise_bytes < 0.5 * plain.element_wise_bytes
    assert fused.own_bytes > 0.95 * fused.element_wise_bytes


def test_without_triton_xlm_roberta_is_within_its_budget_too() -> None:
    assert counted_step(CUDA[False], "bge-reranker-base", lengths_of("mixed")).kernels <= 150


def test_heads_that_the_kernel_for_any_lengths_refuses_take_another() -> None:
    step = counted_step(CUDA[True], "ms-marco-TinyBERT-L-4", [128, 60, 60])
    assert "_varlen_attn" not in step.by_operator
    assert step.by_operator["scaled_dot_product_attention"] == 4 * 2
