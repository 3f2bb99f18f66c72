"""A linear layer in 8-bit integers, for CPUs with VNNI."""

from functools import cache

import torch

from serve_app.engine.layers.activation import Activation, split
from serve_app.engine.layers.linear import PlainLinear

PACKED_ROWS = 2048  # oneDNN picks the weights' layout for this number of rows
ZERO = 128  # level of an input of 0

# SmoothQuant's alpha: the share of a wide channel's range that moves from the inputs to the weights.
SMOOTHING = 0.75
# An input is cut off beyond this multiple of the largest one that calibration saw.
HEADROOM = 1.25


class QuantisedLinear:
    """The layer with inputs and weights in int8.

    A weight has a scale for each output, an input has one for each channel. All scales are fixed at load, so that a
    row's result is the same whatever other rows there are. Sums are exact (int32); bias and activation are in float32.
    Source: SmoothQuant, https://arxiv.org/abs/2211.10438, with static scales. The operators are private to torch:
    `int8_available` says whether this build and this CPU have them.
    """

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor,
        activation: Activation,
        dtype: torch.dtype,
        largest: torch.Tensor,
    ) -> None:
        """Quantise a weight.

        weight: float32 (outputs, inputs). bias: float32 (outputs,). dtype: of inputs and results. largest: float32
        (inputs,), the largest magnitude of each input channel.
        """
        tiny = torch.finfo(torch.float32).eps
        largest = largest.clamp_min(tiny)
        smooth = largest**SMOOTHING / weight.abs().amax(dim=0).clamp_min(tiny) ** (1 - SMOOTHING)
        step = float((largest / smooth).max()) * HEADROOM / 127
        self._levels_per_unit = (1 / (smooth * step)).to(dtype)
        weight = weight / self._levels_per_unit.float()
        self._scales = weight.abs().amax(dim=1).clamp_min(tiny) / 127
        levels = (weight / self._scales[:, None]).round().to(torch.int8)
        self._weight = torch.ops.onednn.qlinear_prepack(levels, [PACKED_ROWS, weight.shape[1]])
        self._zeros = torch.zeros(weight.shape[0], dtype=torch.int64)
        self._bias, self._dtype = bias, dtype
        self._fused, self._activate = split(activation)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """See Linear."""
        # Shifted to unsigned: oneDNN has no fast product of signed inputs without AMX.
        levels = (x * self._levels_per_unit).round_().add_(ZERO).clamp_(0, 255).to(torch.uint8)
        y: torch.Tensor = torch.ops.onednn.qlinear_pointwise(
            levels, 1.0, ZERO, self._weight, self._scales, self._zeros, self._bias,
            1.0, 0, self._dtype, self._fused, [], "none",
        )  # fmt: skip
        return self._activate(y)


@cache
def int8_available() -> bool:
    """Whether this CPU has VNNI and torch its int8 products."""
    features = torch.cpu.get_capabilities()
    if not (features.get("avx512_vnni") or features.get("avx_vnni")):
        return False
    x, weight, bias = torch.eye(32)[:3], torch.full((16, 32), 0.5), torch.ones(16)
    try:
        found = QuantisedLinear(weight, bias, "gelu", torch.float32, torch.ones(32))(x)
    except (AttributeError, RuntimeError):
        return False
    return torch.allclose(found, PlainLinear(weight, bias, "gelu")(x), atol=2e-2)
