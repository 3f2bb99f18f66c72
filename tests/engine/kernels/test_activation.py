import pytest
import torch

from serve_app.engine.layers.activation import FUNCTIONS, Activation
from tests.engine.kernels.levels import check_levels

# exp of much is infinity, and its sigmoid 0, as on a GPU.
pytestmark = [pytest.mark.usefixtures("on_cpu"), pytest.mark.filterwarnings("ignore:overflow encountered in exp")]


@pytest.mark.parametrize("activation", FUNCTIONS)
@pytest.mark.parametrize("gated", [True, False], ids=["gated", "alone"])
def test_an_activation_is_that_of_float64(activation: Activation, gated: bool) -> None:
    torch.manual_seed(1)
    x = torch.cat([torch.linspace(-9, 9, 624).view(1, 624), torch.randn(4, 624) * 3])
    first, second = x.double().chunk(2, dim=1)
    expected = FUNCTIONS[activation](first) * second if gated else FUNCTIONS[activation](x.double())
    found = torch.ops.rayrank.activate(x, activation, gated)
    torch.testing.assert_close(found.double(), expected, atol=4e-6, rtol=0)
    for dtype, relative in ((torch.float16, 2**-11), (torch.bfloat16, 2**-8)):
        given = x.to(dtype)
        exact = torch.ops.rayrank.activate(given.float(), activation, gated)
        torch.testing.assert_close(
            torch.ops.rayrank.activate(given, activation, gated).float(), exact, atol=1e-7, rtol=relative
        )
    check_levels(*torch.ops.rayrank.activate_levels(x, activation, gated), expected.float())


def test_a_row_of_zeros_has_levels_of_zeros() -> None:
    levels, scales = torch.ops.rayrank.activate_levels(torch.zeros(3, 384, dtype=torch.bfloat16), "none", False)
    assert not levels.float().any()
    assert (scales > 0).all()


def test_columns_beyond_a_row_do_not_scale_it() -> None:
    # sigmoid(0) is 1/2: what fills a program up must not count as the largest number of a row.
    x = torch.full((2, 312), -8.0)
    _, scales = torch.ops.rayrank.activate_levels(x, "sigmoid", False)
    torch.testing.assert_close(scales * 448, torch.sigmoid(x[:, :1]))
