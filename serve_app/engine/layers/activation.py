"""The functions that follow a model's products."""

from collections.abc import Callable
from typing import Literal

import torch
from torch.nn import functional

# gelu: the exact form, with erf. gelu_tanh: its approximation.
Activation = Literal["none", "gelu", "gelu_tanh", "quick_gelu", "relu", "silu", "sigmoid", "tanh"]


def _unchanged(x: torch.Tensor) -> torch.Tensor:
    return x


def _gelu_tanh(x: torch.Tensor) -> torch.Tensor:
    return functional.gelu(x, approximate="tanh")


def _quick_gelu(x: torch.Tensor) -> torch.Tensor:
    return x * torch.sigmoid(1.702 * x)


FUNCTIONS: dict[Activation, Callable[[torch.Tensor], torch.Tensor]] = {
    "none": _unchanged,
    "gelu": functional.gelu,
    "gelu_tanh": _gelu_tanh,
    "quick_gelu": _quick_gelu,
    "relu": torch.relu,
    "silu": functional.silu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}


def split(activation: Activation) -> tuple[Activation, Callable[[torch.Tensor], torch.Tensor]]:
    """What oneDNN fuses into a product, and the function that is left to apply to its result."""
    return (activation, _unchanged) if activation in {"none", "gelu"} else ("none", FUNCTIONS[activation])
