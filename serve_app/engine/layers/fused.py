"""Layers in the forms that a GPU computes with the fewest passes over its memory. Imports Triton."""

from collections.abc import Callable

import torch
from torch.nn import functional

from serve_app.engine.kernels.activation import activate
from serve_app.engine.kernels.embedding import embed
from serve_app.engine.kernels.norm import add_norm
from serve_app.engine.kernels.rms import rms_norm
from serve_app.engine.kernels.turn import turn
from serve_app.engine.layers.activation import Activation
from serve_app.engine.layers.embedding import Tables
from serve_app.engine.layers.packed import Packed
from serve_app.engine.layers.turn import Angles

# What cuBLAS computes as it writes a product. Its GELU is the tanh form.
IN_PRODUCT: dict[Activation, bool] = {"gelu_tanh": True, "relu": False}

# From what a block computed, its input, whether the sum is kept, and whether levels are wanted, in one kernel:
# the normalised sum, the sum, and levels with their scales.
AddNorm = Callable[[torch.Tensor, torch.Tensor, bool, bool], list[torch.Tensor]]


def layer_norm_of_sum(weight: torch.Tensor, bias: torch.Tensor | None, epsilon: float) -> AddNorm:
    """The addition and a LayerNorm. weight, bias: float32 (width,)."""

    def add(y: torch.Tensor, residual: torch.Tensor, keep_sum: bool, with_levels: bool) -> list[torch.Tensor]:
        found: list[torch.Tensor] = add_norm(y, residual, weight, bias, epsilon, keep_sum, with_levels)
        return found

    return add


def rms_norm_of_sum(weight: torch.Tensor, epsilon: float) -> AddNorm:
    """The addition and an RMSNorm. weight: float32 (width,)."""

    def add(y: torch.Tensor, residual: torch.Tensor, keep_sum: bool, with_levels: bool) -> list[torch.Tensor]:
        found: list[torch.Tensor] = rms_norm(y, residual, weight, epsilon, keep_sum, with_levels)
        return found

    return add


class FusedBlockEnd:
    """See BlockEnd: a product, then addition and norm in one kernel, in float32 inside."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, add_norm: AddNorm) -> None:
        """Hold the product's tensors, in its type, and what follows it."""
        self._weight, self._bias, self._add_norm = weight, bias, add_norm

    def __call__(self, residual: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """See BlockEnd."""
        return self._add_norm(functional.linear(x, self._weight, self._bias), residual, False, False)[0]

    def with_sum(self, residual: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See BlockEnd."""
        normalised, total = self._add_norm(functional.linear(x, self._weight, self._bias), residual, True, False)
        return total, normalised


class FusedRmsNorm:
    """See RmsNorm: all in one kernel."""

    def __init__(self, weight: torch.Tensor, epsilon: float) -> None:
        """Hold the weight: float32 (width,)."""
        self._weight, self._epsilon = weight, epsilon

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """See RmsNorm: (rows, width), in the precision of x."""
        normalised: torch.Tensor = rms_norm(x, None, self._weight, self._epsilon, False, False)[0]
        return normalised


class FusedTurn:
    """See Turn: norm and turn in one kernel."""

    def __init__(self, weight: torch.Tensor | None, epsilon: float) -> None:
        """Hold the norm's weight: float32 (size,), None where the family has no norm."""
        self._weight, self._epsilon = weight, epsilon

    def __call__(self, x: torch.Tensor, angles: Angles) -> torch.Tensor:
        """See Turn."""
        y: torch.Tensor = turn(x, angles.cos, angles.sin, self._weight, self._epsilon)
        return y


class FusedActivation:
    """A linear layer whose activation is computed as its product is written. Its operator is private to torch."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, activation: Activation) -> None:
        """Hold the tensors. activation: one of IN_PRODUCT."""
        self._weight, self._bias, self._gelu = weight.t(), bias, IN_PRODUCT[activation]

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """See Linear."""
        return torch._addmm_activation(self._bias, x, self._weight, use_gelu=self._gelu)


class FusedGate:
    """See PlainGate: one product, and one kernel that activates its first half and multiplies it with the second."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, activation: Activation) -> None:
        """Hold the tensors, (2 * outputs, inputs) and (2 * outputs,): first what is activated, then the factor."""
        self._weight, self._bias, self._activation = weight, bias, activation

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """See Linear."""
        y: torch.Tensor = activate(functional.linear(x, self._weight, self._bias), self._activation, True)
        return y


class FusedEmbed:
    """See Embed: all in one kernel."""

    def __init__(
        self, tables: Tables, weight: torch.Tensor, bias: torch.Tensor | None, epsilon: float, dtype: torch.dtype
    ) -> None:
        """Hold the tables, and the norm's tensors of float32. dtype: of the result."""
        self._tables, self._norm = tables, (weight, bias, epsilon, dtype)

    def __call__(self, step: Packed) -> torch.Tensor:
        """See Embed."""
        words, positions, segments = self._tables.words, self._tables.positions, self._tables.segments
        segment = step.segments if segments is not None and segments.shape[0] > 1 else None
        x: torch.Tensor = embed(words, step.token_ids, positions, step.positions, segments, segment, *self._norm)
        return x
