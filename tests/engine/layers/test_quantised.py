import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from serve_app.engine.layers.linear import PlainLinear
from serve_app.engine.layers.quantised import QuantisedLinear, int8_available

pytestmark = pytest.mark.skipif(not int8_available(), reason="this CPU has no int8 products")

INPUTS, OUTPUTS = 64, 96


def inputs(rows: int) -> torch.Tensor:
    torch.manual_seed(rows)
    x = torch.randn(rows, INPUTS)
    x[:, 7] *= 30  # a channel as wide as trained models have some
    return x


def layers(activation: str, seen: torch.Tensor) -> tuple[QuantisedLinear, PlainLinear]:
    torch.manual_seed(3)
    weight, bias = torch.randn(OUTPUTS, INPUTS) / INPUTS**0.5, torch.randn(OUTPUTS)
    largest = seen.abs().amax(dim=0)
    return QuantisedLinear(weight, bias, activation, torch.float32, largest), PlainLinear(weight, bias, activation)


@pytest.mark.parametrize("activation", ["none", "gelu", "relu"])
@pytest.mark.parametrize("rows", [1, 17, 300])
def test_a_wide_channel_does_not_cost_the_others_their_precision(activation: str, rows: int) -> None:
    x = inputs(rows)
    quantised, plain = layers(activation, inputs(300))
    expected = plain(x)
    assert (quantised(x) - expected).norm() < 0.02 * expected.norm()


@settings(max_examples=30)
@given(st.integers(2, 300), st.data())
def test_a_row_is_the_same_to_the_last_bit_whatever_other_rows_there_are(count: int, data: st.DataObject) -> None:
    x = inputs(count)
    quantised, _ = layers("none", inputs(300))
    first = data.draw(st.integers(0, count - 1))
    last = data.draw(st.integers(first + 1, count))
    assert torch.equal(quantised(x[first:last].contiguous()), quantised(x)[first:last])


def test_an_input_beyond_the_calibrated_range_is_cut_off_and_does_not_wrap() -> None:
    quantised = QuantisedLinear(torch.eye(INPUTS), torch.zeros(INPUTS), "none", torch.float32, torch.ones(INPUTS))
    found = quantised(torch.full((1, INPUTS), 1e4))
    torch.testing.assert_close(found, torch.full((1, INPUTS), 1.25), atol=0.02, rtol=0)


def test_channels_and_outputs_of_zeros_stay_zeros() -> None:
    zeros = torch.zeros(OUTPUTS, INPUTS)
    quantised = QuantisedLinear(zeros, torch.zeros(OUTPUTS), "none", torch.float32, torch.zeros(INPUTS))
    assert not quantised(torch.zeros(3, INPUTS)).any()
