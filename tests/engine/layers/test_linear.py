import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from serve_app.engine.layers.activation import FUNCTIONS
from serve_app.engine.layers.linear import Linear, PackedLinear, PlainLinear, fastest, linear, packed_available

needs_packed = pytest.mark.skipif(not packed_available(), reason="this build of torch has no packed linear")


def layer(kind: type[PackedLinear] | type[PlainLinear], activation: str, inputs: int = 64, outputs: int = 96) -> Linear:
    torch.manual_seed(3)
    return kind(torch.randn(outputs, inputs) / inputs**0.5, torch.randn(outputs), activation)


def rows(count: int, inputs: int = 64) -> torch.Tensor:
    torch.manual_seed(count)
    return torch.randn(count, inputs) * 3


@needs_packed
@pytest.mark.parametrize("activation", FUNCTIONS)
@pytest.mark.parametrize("count", [1, 17, 2_500])
def test_packed_gives_what_plain_gives(activation: str, count: int) -> None:
    packed, plain = layer(PackedLinear, activation), layer(PlainLinear, activation)
    torch.testing.assert_close(packed(rows(count)), plain(rows(count)), atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", [PlainLinear, pytest.param(PackedLinear, marks=needs_packed)])
def test_what_is_added_to_stays(kind: type[PackedLinear] | type[PlainLinear]) -> None:
    one, x = layer(kind, "none"), rows(17)
    residual = torch.arange(17 * 96.0).view(17, 96)
    kept = residual.clone()
    torch.testing.assert_close(one.add_to(residual, x), residual + one(x), atol=2e-4, rtol=1e-6)
    assert torch.equal(residual, kept)


@needs_packed
@pytest.mark.parametrize("activation", ["none", "gelu"])
@settings(max_examples=30)
@given(st.integers(2, 700), st.data())
def test_a_packed_row_is_the_same_to_the_last_bit_whatever_other_rows_there_are(
    activation: str, count: int, data: st.DataObject
) -> None:
    packed, x = layer(PackedLinear, activation), rows(count)
    first = data.draw(st.integers(0, count - 1))
    last = data.draw(st.integers(first + 1, count))
    assert torch.equal(packed(x[first:last].contiguous()), packed(x)[first:last])


@needs_packed
@pytest.mark.parametrize(("plain_s", "form"), [(0.5, PlainLinear), (0.99, PackedLinear), (2.0, PackedLinear)])
def test_the_form_that_was_measured_to_be_clearly_faster_is_taken(
    monkeypatch: pytest.MonkeyPatch, plain_s: float, form: type[Linear]
) -> None:
    monkeypatch.setattr(
        "serve_app.engine.layers.linear._seconds", lambda layer, x: plain_s if isinstance(layer, PlainLinear) else 1.0
    )
    assert fastest.__wrapped__(96, 64, torch.float32, "none") is form
    assert fastest.__wrapped__(96, 64, torch.bfloat16, "none") is PackedLinear


def test_gelu_is_the_exact_form() -> None:
    identity = linear(torch.eye(8), torch.zeros(8), "gelu")
    x = torch.linspace(-5, 5, 8).view(1, 8)
    torch.testing.assert_close(identity(x), x * 0.5 * (1 + torch.erf(x / 2**0.5)), atol=2e-6, rtol=0)
