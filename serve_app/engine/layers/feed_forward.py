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
        attended = weights.linear(f"{name}.{names.attended}", hidden, hidden)
        up = weights.linear(f"{name}.{names.up}", inner, hidden)
        down = weights.linear(f"{name}.{names.down}", hidden, inner)
        norm_attention, norm_output = (
            weights.norm(f"{name}.{norm}", hidden) for norm in (names.norm_attention, names.norm_output)
        )
        self._attention_end = placement.block_end(attended, norm_attention, epsilon)
        self._up = placement.up(f"{name}.intermediate", up, activation)
        self._output_end = placement.block_end(down, norm_output, epsilon)

    def __call__(self, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        """Hidden states behind the layer: (rows, hidden).

        x: (rows, hidden), the layer's input. attended: (rows, hidden), the output of its attention.
        """
        y = self._attention_end(x, attended)
        return self._output_end(y, self._up(y))
