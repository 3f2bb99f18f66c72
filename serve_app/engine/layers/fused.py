"""Layers in the forms that a GPU computes with the fewest passes over its memory. Imports Triton."""

import torch
from torch.nn import functional

from serve_app.engine.kernels.activation import activate
from serve_app.engine.kernels.embedding import embed
from serve_app.engine.kernels.norm import add_norm
from serve_app.engine.layers.activation import Activation
from serve_app.engine.layers.embedding import Tables
from serve_app.engine.layers.packed import Packed

# What cuBLAS computes as it writes a product. Its GELU is the tanh form.
IN_PRODUCT: dict[Activation, bool] = {"gelu_tanh": True, "relu": False}


class FusedBlockEnd:
    """See BlockEnd: a product, then addition and norm in one kernel, in float32 inside."""

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor,
        norm_weight: torch.Tensor,
        norm_bias: torch.Tensor | None,
        epsilon: float,
    ) -> None:
        """Hold the tensors: those of the product in its type, those of the norm in float32."""
        self._weight, self._bias = weight, bias
        self._norm = norm_weight, norm_bias, epsilon

    def __call__(self, residual: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """See BlockEnd."""
        y = functional.linear(x, self._weight, self._bias)
        normalised: torch.Tensor = add_norm(y, residual, *self._norm, False, False)[0]
        return normalised

    def with_sum(self, residual: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See BlockEnd."""
        y = functional.linear(x, self._weight, self._bias)
        normalised, total = add_norm(y, residual, *self._norm, True, False)
        return total, normalised


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
