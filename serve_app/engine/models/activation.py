"""The activations that config.json names. No torch: a gateway reads them."""

from typing import TYPE_CHECKING

from serve_app.engine.models.fields import Fields

if TYPE_CHECKING:
    from serve_app.engine.layers.activation import Activation

# By the names in transformers' ACT2FN, some of which are one function computed in another order.
ACTIVATIONS: "dict[str, Activation]" = {
    "gelu": "gelu",
    "gelu_accurate": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_new": "gelu_tanh",
    "gelu_python": "gelu",
    "gelu_python_tanh": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "linear": "none",
    "quick_gelu": "quick_gelu",
    "relu": "relu",
    "sigmoid": "sigmoid",
    "silu": "silu",
    "swish": "silu",
    "tanh": "tanh",
}


def read_activation(fields: Fields, name: str, default: str = "gelu") -> "Activation":
    """The activation that a field names. Raises ModelError for one that is not supported."""
    return ACTIVATIONS[fields.choice(name, default, *ACTIVATIONS)]
