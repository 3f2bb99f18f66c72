"""The second half of a layer, as BERT and its relatives have it."""

import torch

from serve_app.engine.layers.activation import Activation
from serve_app.engine.layers.names import LayerNames
from serve_app.engine.layers.placement import Placement
from serve_app.engine.weights import Weights


class FeedForward:
    """What follows a layer's attention: two blocks, each added to its input and normalised."""

    def __init__(
        self,
        weights: Weights,
        name: str,
        names: LayerNames,
        placement: Placement,
        *,
        hidden: int,
        inner: int,
        epsilon: float,
        activation: Activation,
    ) -> None:
        """Read the weights of the layer called `name`.

        hidden: width of a state. inner: width between the two products. epsilon: of the norms. activation: between
        the products.
        """
        self._attended = placement.linear(*weights.linear(f"{name}.{names.attended}", hidden, hidden))
        up = weights.linear(f"{name}.{names.up}", inner, hidden)
        self._up = placement.normalised_linear(f"{name}.intermediate", *up, activation)
        self._down = placement.linear(*weights.linear(f"{name}.{names.down}", hidden, inner))
        self._norm_attention = placement.norm(*weights.norm(f"{name}.{names.norm_attention}", hidden), epsilon)
        self._norm_output = placement.norm(*weights.norm(f"{name}.{names.norm_output}", hidden), epsilon)

    def __call__(self, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        """Hidden states behind the layer: (rows, hidden).

        x: (rows, hidden), the layer's input. attended: (rows, hidden), the output of its attention.
        """
        y = self._norm_attention(self._attended.add_to(x, attended))
        return self._norm_output(self._down.add_to(y, self._up(y)))
