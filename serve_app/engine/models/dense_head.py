"""The head of most cross-encoders."""

import torch

from serve_app.engine.layers.activation import Activation
from serve_app.engine.layers.packed import Packed
from serve_app.engine.layers.placement import Placement
from serve_app.engine.models.config import States
from serve_app.engine.weights import Weights


class DenseHead:
    """A cross-encoder's relevance: a dense layer, its activation and one output, over the first token."""

    states: States = "first"

    def __init__(
        self, weights: Weights, placement: Placement, hidden: int, *, dense: str, activation: Activation, out: str
    ) -> None:
        """Read the weights. hidden: width of a state. dense, out: names of the two layers."""
        self._dense = placement.exact_linear(*weights.linear(dense, hidden, hidden), activation)
        self._out = placement.exact_linear(*weights.linear(out, 1, hidden))

    def __call__(self, states: torch.Tensor, step: Packed) -> torch.Tensor:  # noqa: ARG002
        """One logit a sequence: float32 (sequences, 1)."""
        return self._out(self._dense(states.float()))
