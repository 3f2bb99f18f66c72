"""A placement on a GPU whose layers take the fewest passes over its memory, and one that multiplies in 8 bits.

Imports Triton: `kernels/trial.py` says whether it works here.
"""

from collections.abc import Callable

import torch

from serve_app.engine.layers.activation import Activation
from serve_app.engine.layers.block import BlockEnd
from serve_app.engine.layers.eight_bits import LevelsBlockEnd, LevelsLinear, LevelsUp
from serve_app.engine.layers.embedding import Embed, Tables
from serve_app.engine.layers.fused import (
    IN_PRODUCT,
    FusedActivation,
    FusedBlockEnd,
    FusedEmbed,
    FusedGate,
    FusedRmsNorm,
    FusedTurn,
    layer_norm_of_sum,
    rms_norm_of_sum,
)
from serve_app.engine.layers.linear import Linear
from serve_app.engine.layers.placement import Norm, Placement, Product
from serve_app.engine.layers.turn import Turn


class FusedPlacement(Placement):
    """A placement of fused layers, for CUDA.

    In 16 bits an activation is computed as its product is written, where cuBLAS has it. It has GELU in its tanh form
    alone, which is within 5e-4 of the exact one, as far as float16 rounds a number near 1: `approximate_gelu` lets it
    stand for that, here and in kernels, which take a fifth longer for erf.
    """

    fused = True

    def __init__(self, device: torch.device, dtype: torch.dtype, *, approximate_gelu: bool = True) -> None:
        super().__init__(device, dtype)
        self._approximate_gelu = approximate_gelu

    def in_type(self, dtype: torch.dtype) -> "FusedPlacement":
        """See Placement."""
        return FusedPlacement(self.device, dtype, approximate_gelu=self._approximate_gelu)

    def _own(self, product: Product) -> Product:
        """A product's tensors on the device, in the placement's type."""
        weight, bias = product
        return weight.to(self.device, self.dtype), bias.to(self.device, self.dtype)

    def _norm_tensors(self, norm: Norm) -> tuple[torch.Tensor, torch.Tensor | None]:
        """A norm's tensors on the device, in float32, which costs nothing beside the rows."""
        weight, bias = norm
        return weight.to(self.device), None if bias is None else bias.to(self.device)

    def _allowed(self, activation: Activation) -> Activation:
        """The activation, or what may stand for it."""
        tanh = activation == "gelu" and self._approximate_gelu and self.dtype != torch.float32
        return "gelu_tanh" if tanh else activation

    def up(self, source: str, product: Product, activation: Activation) -> Linear:
        """See Placement."""
        found = self._allowed(activation)
        # In float32 cuBLAS's tanh is too coarse.
        if self.dtype == torch.float32 or found not in IN_PRODUCT:
            return super().up(source, product, activation)
        return FusedActivation(*self._own(product), found)

    def gated_up(self, source: str, activated: Product, factor: Product, activation: Activation) -> Linear:  # noqa: ARG002
        """See Placement."""
        return FusedGate(*self._own(joined(activated, factor)), self._allowed(activation))

    def block_end(self, product: Product, norm: Norm, epsilon: float) -> BlockEnd:
        """See Placement."""
        return FusedBlockEnd(*self._own(product), layer_norm_of_sum(*self._norm_tensors(norm), epsilon))

    def rms_norm(self, weight: torch.Tensor, epsilon: float) -> Callable[[torch.Tensor], torch.Tensor]:
        """See Placement."""
        return FusedRmsNorm(weight.to(self.device), epsilon)

    def rms_block_end(self, product: Product, weight: torch.Tensor, epsilon: float) -> BlockEnd:
        """See Placement."""
        return FusedBlockEnd(*self._own(product), rms_norm_of_sum(weight.to(self.device), epsilon))

    def turning(self, product: Product, size: int) -> Product:  # noqa: ARG002
        """See Placement: kernels turn halves of a head."""
        return product

    def turn(self, weight: torch.Tensor | None, epsilon: float) -> Turn:
        """See Placement."""
        return FusedTurn(None if weight is None else weight.to(self.device), epsilon)

    def embed(self, tables: Tables, norm: Norm, epsilon: float) -> Embed:
        """See Placement."""
        return FusedEmbed(tables, *self._norm_tensors(norm), epsilon, self.dtype)


class EightBitPlacement(FusedPlacement):
    """A placement whose blocks multiply in e4m3, with states in bfloat16."""

    precision = "fp8"

    def __init__(self, device: torch.device, *, approximate_gelu: bool = True) -> None:
        super().__init__(device, torch.bfloat16, approximate_gelu=approximate_gelu)

    def _exact(self, product: Product) -> Product:
        weight, bias = product
        return weight.to(self.device), bias.to(self.device)

    def normalised_linear(
        self,
        source: str,  # noqa: ARG002
        weight: torch.Tensor,
        bias: torch.Tensor,
        activation: Activation = "none",
    ) -> Linear:
        """See Placement."""
        return LevelsLinear(*self._exact((weight, bias)), activation)

    def up(self, source: str, product: Product, activation: Activation) -> Linear:  # noqa: ARG002
        """See Placement."""
        return LevelsUp(*self._exact(product), self._allowed(activation), gated=False)

    def gated_up(self, source: str, activated: Product, factor: Product, activation: Activation) -> Linear:  # noqa: ARG002
        """See Placement."""
        return LevelsUp(*self._exact(joined(activated, factor)), self._allowed(activation), gated=True)

    def block_end(self, product: Product, norm: Norm, epsilon: float) -> BlockEnd:
        """See Placement."""
        return LevelsBlockEnd(*self._exact(product), layer_norm_of_sum(*self._norm_tensors(norm), epsilon))

    def rms_block_end(self, product: Product, weight: torch.Tensor, epsilon: float) -> BlockEnd:
        """See Placement."""
        return LevelsBlockEnd(*self._exact(product), rms_norm_of_sum(weight.to(self.device), epsilon))


def joined(first: Product, second: Product) -> Product:
    """Two linear layers of the same input as one, whose outputs lie side by side."""
    return torch.cat([first[0], second[0]]), torch.cat([first[1], second[1]])
