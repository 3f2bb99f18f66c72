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


def test_without_triton_xlm_roberta_is_within_its_budget_too() -> None:
    assert counted_step(CUDA[False], "bge-reranker-base", lengths_of("mixed")).kernels <= 150


def test_heads_that_the_kernel_for_any_lengths_refuses_take_another() -> None:
    step = counted_step(CUDA[True], "ms-marco-TinyBERT-L-4", [128, 60, 60])
    assert "_varlen_attn" not in step.by_operator
    assert step.by_operator["scaled_dot_product_attention"] == 4 * 2
