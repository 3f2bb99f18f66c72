"""The parts that a layer's two blocks are built of: what a block ends with, and what is between a gated one's products.

Here are the forms that every device has; `fused.py` and `eight_bits.py` have those of GPUs.
"""

from typing import Protocol

import torch

from serve_app.engine.layers.linear import Linear, ResidualLinear
from serve_app.engine.layers.norm import LayerNorm, RmsNorm


class BlockEnd(Protocol):
    """A block's last product, which is added to the block's input and normalised."""

    def __call__(self, residual: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """The normalised sum: (rows, outputs).

        residual: (rows, outputs), the block's input, which is left unchanged. x: (rows, inputs).
        """
        ...

    def with_sum(self, residual: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The sum itself, and normalised: both (rows, outputs)."""
        ...


class PlainBlockEnd:
    """See BlockEnd: a product that is added as it is computed, then a norm."""

    def __init__(self, linear: ResidualLinear, norm: LayerNorm | RmsNorm) -> None:
        self._linear, self._norm = linear, norm

    def __call__(self, residual: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """See BlockEnd."""
        return self._norm(self._linear.add_to(residual, x))

    def with_sum(self, residual: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See BlockEnd."""
        total = self._linear.add_to(residual, x)
        return total, self._norm(total)


class PlainGate:
    """Two products of the same input, one of them activated, multiplied with each other."""

    def __init__(self, activated: Linear, factor: Linear) -> None:
        self._activated, self._factor = activated, factor

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """See Linear."""
        return self._activated(x).mul_(self._factor(x))
