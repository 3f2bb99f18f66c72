"""Linear layers with weights of int8, against the same layers in float32."""

import pytest
import torch
from torch.nn import functional

from serve_app.engine.layers import weight_only
from serve_app.engine.layers.weight_only import Scratch, WeightOnlyLinear

INPUTS, OUTPUTS = 48, 40


@pytest.fixture(params=["all rows at once", "blocks of rows", "less than a row"])
def scratch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Scratch:
    numbers = {"all rows at once": 2**20, "blocks of rows": 7 * INPUTS, "less than a row": INPUTS // 5}
    monkeypatch.setattr(weight_only, "SCRATCH_NUMBERS", numbers[request.param])
    return Scratch()


def weight(rows: int = OUTPUTS) -> torch.Tensor:
    """Rows of very different sizes, as only a scale for each of them holds."""
    torch.manual_seed(3)
    return torch.randn(rows, INPUTS) * torch.logspace(-3, 1, rows)[:, None]


@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16, torch.float16])
def test_every_weight_is_within_half_a_level_of_its_row(scratch: Scratch, stored: torch.dtype) -> None:
    exact = weight().to(stored)
    layer = WeightOnlyLinear(exact, torch.zeros(OUTPUTS), "none", scratch)
    found = layer(torch.eye(INPUTS)).T
    level = exact.float().abs().amax(dim=1, keepdim=True) / 127
    assert ((found - exact.float()).abs() <= 0.501 * level).all()


def test_scales_of_16_bits_cost_no_more_than_their_levels(scratch: Scratch) -> None:
    exact = weight()
    layer = WeightOnlyLinear(exact, torch.zeros(OUTPUTS, dtype=torch.bfloat16), "none", scratch)
    found = layer(torch.eye(INPUTS, dtype=torch.bfloat16)).T.float()
    largest = exact.abs().amax(dim=1, keepdim=True)
    # Half a level, and what bfloat16 rounds off of the result.
    assert ((found - exact).abs() <= 0.51 * largest / 127 + largest * 2**-8).all()


def test_bias_activation_and_residual_are_those_of_a_linear_layer(scratch: Scratch) -> None:
    exact, bias = weight(), torch.linspace(-2, 2, OUTPUTS)
    x, residual = torch.randn(5, INPUTS), torch.randn(5, OUTPUTS)
    before = residual.clone()
    levels = WeightOnlyLinear(exact, torch.zeros(OUTPUTS), "none", scratch)(torch.eye(INPUTS)).T
    layer = WeightOnlyLinear(exact, bias, "silu", scratch)
    expected = functional.linear(x, levels, bias)
    torch.testing.assert_close(layer(x), functional.silu(expected), rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(layer.add_to(residual, x), residual + expected, rtol=1e-5, atol=1e-4)
    assert torch.equal(residual, before)


def test_a_row_of_zeros_gives_its_bias(scratch: Scratch) -> None:
    layer = WeightOnlyLinear(torch.zeros(2, INPUTS), torch.tensor([1.0, -1.0]), "none", scratch)
    assert layer(torch.ones(1, INPUTS)).tolist() == [[1.0, -1.0]]
