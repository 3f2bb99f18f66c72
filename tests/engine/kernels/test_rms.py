"""RMSNorm by our kernel, as Triton interprets it, beside float64 and transformers."""

import pytest
import torch
from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm

from tests.engine.kernels.levels import check_levels

pytestmark = pytest.mark.usefixtures("on_cpu")

EPSILON = 1e-6
# Two roundings of a number of up to 16, or what sums in float32 lose.
BOUNDS = {torch.float16: 1.2e-2, torch.bfloat16: 1e-1, torch.float32: 4e-6}


def inputs(rows: int, width: int, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(rows + width)
    y, residual = torch.randn(rows, width) * 3 + 1, torch.randn(rows, width)
    return y.to(dtype), residual.to(dtype), torch.randn(width)


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("width", [96, 896, 1024])
@pytest.mark.parametrize("rows", [1, 7])
def test_a_blocks_end_is_that_of_float64(dtype: torch.dtype, width: int, rows: int) -> None:
    y, residual, weight = inputs(rows, width, dtype)
    found, total = torch.ops.rayrank.rms_norm(y, residual, weight, EPSILON, True, False)
    exact = y.double() + residual.double()
    assert torch.equal(total, exact.to(dtype))
    expected = exact * torch.rsqrt(exact.square().mean(1, keepdim=True) + EPSILON) * weight
    torch.testing.assert_close(found.double(), expected, atol=BOUNDS[dtype], rtol=0)
    [alone] = torch.ops.rayrank.rms_norm(y, residual, weight, EPSILON, False, False)
    assert torch.equal(alone, found)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_numbers_are_rounded_where_transformers_rounds_them(dtype: torch.dtype) -> None:
    y, _, weight = inputs(40, 128, dtype)
    norm = Qwen3RMSNorm(128, EPSILON).to(dtype)
    norm.weight.data = weight.to(dtype)
    [found] = torch.ops.rayrank.rms_norm(y, None, weight.to(dtype).float(), EPSILON, False, False)
    # A sum in another order may round one to the other side.
    assert (found != norm(y)).float().mean() < 0.01


def test_a_sum_that_float16_cannot_hold_is_normalised() -> None:
    y, residual, weight = inputs(3, 384, torch.float16)
    y[1, 5] = residual[1, 5] = 60_000
    [found] = torch.ops.rayrank.rms_norm(y, residual, weight, EPSILON, False, False)
    assert found.isfinite().all()


def test_normalised_rows_come_in_8_bits_too() -> None:
    y, residual, weight = inputs(7, 768, torch.bfloat16)
    normalised, total, levels, scales = torch.ops.rayrank.rms_norm(y, residual, weight, EPSILON, True, True)
    plain = torch.ops.rayrank.rms_norm(y, residual, weight, EPSILON, True, False)
    assert torch.equal(normalised, plain[0])
    assert torch.equal(total, plain[1])
    exact = y.float() + residual.float()
    scaled = exact * torch.rsqrt(exact.square().mean(1, keepdim=True) + EPSILON)
    check_levels(levels, scales, scaled.bfloat16().float() * weight)


def test_a_row_is_the_same_to_the_last_bit_whatever_other_rows_there_are() -> None:
    y, residual, weight = inputs(7, 896, torch.bfloat16)
    [together] = torch.ops.rayrank.rms_norm(y, residual, weight, EPSILON, False, False)
    [alone] = torch.ops.rayrank.rms_norm(y[3:4], residual[3:4], weight, EPSILON, False, False)
    assert torch.equal(together[3:4], alone)
