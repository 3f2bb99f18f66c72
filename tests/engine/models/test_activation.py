import pytest
import torch
from transformers.activations import ACT2FN

from serve_app.engine.layers.activation import FUNCTIONS
from serve_app.engine.models.activation import ACTIVATIONS


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_that_of_transformers(name: str) -> None:
    x = torch.linspace(-8, 8, 1_001)
    torch.testing.assert_close(FUNCTIONS[ACTIVATIONS[name]](x), ACT2FN[name](x), atol=2e-6, rtol=0)
