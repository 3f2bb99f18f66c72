import pytest
import torch
from torch.nn import functional

from tests.engine.kernels.levels import check_levels

pytestmark = pytest.mark.usefixtures("on_cpu")

EPSILON = 1e-5
# How far a number of up to 16 may be off: half of its last bit, or what sums in float32 lose.
BOUNDS = {torch.float16: 4e-3, torch.bfloat16: 3.2e-2, torch.float32: 4e-6}


def inputs(rows: int, width: int, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(rows + width)
    y, residual = torch.randn(rows, width) * 3 + 1, torch.randn(rows, width)
    return y.to(dtype), residual.to(dtype), torch.randn(width), torch.randn(width)


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("width", [312, 384, 768, 1024])
@pytest.mark.parametrize("biased", [True, False], ids=["bias", "no-bias"])
@pytest.mark.parametrize("rows", [1, 7])
def test_a_blocks_end_is_that_of_float64(dtype: torch.dtype, width: int, biased: bool, rows: int) -> None:
    y, residual, weight, bias = inputs(rows, width, dtype)
    shift = bias if biased else None
    found, total = torch.ops.rayrank.add_norm(y, residual, weight, shift, EPSILON, True, False)
    expected = y.double() + residual.double()
    assert torch.equal(total, expected.to(dtype))
    expected = functional.layer_norm(expected, (width,), weight.double(), bias.double() if biased else None, EPSILON)
    torch.testing.assert_close(found.double(), expected, atol=BOUNDS[dtype], rtol=0)
    [alone] = torch.ops.rayrank.add_norm(y, residual, weight, shift, EPSILON, False, False)
    assert torch.equal(alone, found)


def test_a_sum_that_float16_cannot_hold_is_normalised() -> None:
    y, residual, weight, bias = inputs(3, 384, torch.float16)
    y[1, 5] = residual[1, 5] = 60_000
    [found] = torch.ops.rayrank.add_norm(y, residual, weight, bias, EPSILON, False, False)
    expected = functional.layer_norm(y.double() + residual, (384,), weight.double(), bias.double(), EPSILON)
    torch.testing.assert_close(found.double(), expected, atol=1e-2, rtol=1e-3)


@pytest.mark.parametrize("keep_sum", [True, False])
def test_normalised_rows_come_in_8_bits_too(keep_sum: bool) -> None:
    y, residual, weight, bias = inputs(7, 768, torch.bfloat16)
    results = torch.ops.rayrank.add_norm(y, residual, weight, bias, EPSILON, keep_sum, True)
    plain = torch.ops.rayrank.add_norm(y, residual, weight, bias, EPSILON, keep_sum, False)
    for found, expected in zip(results[:-2], plain, strict=True):
        assert torch.equal(found, expected)
    exact = functional.layer_norm(y.float() + residual.float(), (768,), weight, bias, EPSILON)
    check_levels(*results[-2:], exact)


def test_a_row_is_the_same_to_the_last_bit_whatever_other_rows_there_are() -> None:
    y, residual, weight, bias = inputs(7, 768, torch.bfloat16)
    together = torch.ops.rayrank.add_norm(y, residual, weight, bias, EPSILON, True, True)
    alone = torch.ops.rayrank.add_norm(y[3:4], residual[3:4], weight, bias, EPSILON, True, True)
    for whole, one in zip(together, alone, strict=True):
        assert torch.equal(whole[3:4].float(), one.float())
