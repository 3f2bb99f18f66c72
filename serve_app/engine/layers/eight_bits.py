"""Layers in 8-bit floating point (e4m3), for GPUs that multiply it. Imports Triton.

A weight has a scale for each output, an input one for each of its rows, so that a row's result is the same whatever
other rows there are. Sums and scales are float32, what is added up from layer to layer is bfloat16.
"""

import torch

from serve_app.engine.files import ModelError
from serve_app.engine.kernels.activation import activate_levels
from serve_app.engine.kernels.levels import LEAST, MOST
from serve_app.engine.layers.activation import FUNCTIONS, Activation
from serve_app.engine.layers.fused import AddNorm

MULTIPLE = 16  # of which the widths of such a product must be


def keep(levels: torch.Tensor, scales: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
    """Rows, with what they are in 8 bits kept for the products that read them. Both live as long as the rows do.

    levels: e4m3 (rows, width). scales: float32 (rows, 1). rows: the same in more bits; None where nobody wants those.
    """
    levels.__dict__["scales"] = scales
    if rows is None:
        return levels
    rows.__dict__["levels"] = levels
    return rows


def levels_of(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows in 8 bits: e4m3 (rows, width), and float32 (rows, 1). As they were kept, or else computed now."""
    levels: torch.Tensor | None = x if x.dtype == torch.float8_e4m3fn else x.__dict__.get("levels")
    if levels is None:
        return activate_levels(x, "none", False)  # type: ignore[no-any-return]
    return levels, levels.__dict__["scales"]


class LevelsProduct:
    """A linear layer in e4m3: rows in 8 bits to bfloat16 (rows, outputs)."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor) -> None:
        """Quantise a weight.

        weight: float32 (outputs, inputs), on the device. bias: float32 (outputs,).
        Raises ModelError when a width is no multiple of 16.
        """
        if uneven := [width for width in weight.shape if width % MULTIPLE]:
            raise ModelError(f"precision: fp8 takes layers whose widths are multiples of {MULTIPLE}, not {uneven[0]:,}")
        scales = weight.abs().amax(dim=1).clamp_min(LEAST) / MOST
        self._weight = (weight / scales[:, None]).to(torch.float8_e4m3fn).t()
        self._scales, self._bias = scales[None], bias.bfloat16()

    def __call__(self, levels: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
        """The layer's result."""
        return torch._scaled_mm(
            levels, self._weight, scale_a=scales, scale_b=self._scales, bias=self._bias,
            out_dtype=torch.bfloat16, use_fast_accum=True,
        )  # fmt: skip


class LevelsLinear:
    """See Linear: reads what was kept in 8 bits with its input."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, activation: Activation) -> None:
        self._product, self._activate = LevelsProduct(weight, bias), FUNCTIONS[activation]

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """See Linear."""
        return self._activate(self._product(*levels_of(x)))


class LevelsUp:
    """The first half of a feed-forward: its results are there in 8 bits alone, for the block's end."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, activation: Activation, *, gated: bool) -> None:
        """Quantise a weight. gated: whether its first half is activated and multiplied with the second."""
        self._product, self._activation, self._gated = LevelsProduct(weight, bias), activation, gated

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """See Linear; e4m3, with its scales kept."""
        levels, scales = activate_levels(self._product(*levels_of(x)), self._activation, self._gated)
        return keep(levels, scales)


class LevelsBlockEnd:
    """See BlockEnd: its normalised rows come in 8 bits, too."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, add_norm: AddNorm) -> None:
        """Quantise the product's weight, and hold what follows it. Tensors are float32, on the device."""
        self._product, self._add_norm = LevelsProduct(weight, bias), add_norm

    def __call__(self, residual: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """See BlockEnd."""
        y = self._product(*levels_of(x))
        normalised, levels, scales = self._add_norm(y, residual, False, True)
        return keep(levels, scales, normalised)

    def with_sum(self, residual: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See BlockEnd."""
        y = self._product(*levels_of(x))
        normalised, total, levels, scales = self._add_norm(y, residual, True, True)
        return total, keep(levels, scales, normalised)
