"""What comes between the two products of a feed-forward, in one pass over memory."""

import torch
import triton
import triton.language as tl

from serve_app.engine.kernels.levels import row_levels
from serve_app.engine.kernels.operator import operator
from serve_app.engine.kernels.tiles import tile


@triton.jit
def activated(x, ACTIVATION: tl.constexpr):
    """An activation, by its name in layers/activation.py, of float32."""
    if ACTIVATION == "gelu":
        # Abramowitz and Stegun 7.1.26, within 2e-7: CUDA's own erf takes longer than the memory does.
        size = tl.abs(x) * 0.7071067811865476
        t = 1.0 / (1.0 + 0.3275911 * size)
        t *= 0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))
        tail = 0.5 * t * tl.exp(-size * size)
        x = x * tl.where(x < 0, tail, 1.0 - tail)
    elif ACTIVATION == "gelu_tanh":
        # (1 + tanh(u)) / 2 is sigmoid(2u).
        x = x * tl.sigmoid(1.5957691216057308 * (x + 0.044715 * x * x * x))
    elif ACTIVATION == "quick_gelu":
        x = x * tl.sigmoid(1.702 * x)
    elif ACTIVATION == "silu":
        x = x * tl.sigmoid(x)
    elif ACTIVATION == "relu":
        x = tl.maximum(x, 0.0)
    elif ACTIVATION == "sigmoid":
        x = tl.sigmoid(x)
    elif ACTIVATION == "tanh":
        x = 2.0 * tl.sigmoid(2.0 * x) - 1.0
    else:
        tl.static_assert(ACTIVATION == "none")
    return x


@triton.jit(do_not_specialize=["rows"])  # no other kernel for another step
def activate_kernel(
    x, out, scales, rows, width, ACTIVATION: tl.constexpr, GATED: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr
):
    """ROWS rows a program, float32 inside. scales: of 8-bit results; None where these are in more bits."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, BLOCK)
    inside = (row < rows)[:, None] & (column < width)[None, :]
    parts: tl.constexpr = 2 if GATED else 1
    at = row[:, None] * (parts * width) + column[None, :]
    y = activated(tl.load(x + at, inside, other=0.0).to(tl.float32), ACTIVATION)
    if GATED:
        y *= tl.load(x + at + width, inside, other=0.0).to(tl.float32)
    if scales is not None:
        # sigmoid(0) is not 0, and a row's largest number must be its own.
        y, scale = row_levels(tl.where(inside, y, 0.0))
        tl.store(scales + row, scale, row < rows)
    tl.store(out + row[:, None] * width + column[None, :], y.to(out.dtype.element_ty), inside)


def _fake(x: torch.Tensor, activation: str, gated: bool) -> torch.Tensor:
    return x.new_empty(x.shape[0], x.shape[1] // (2 if gated else 1))


def _fake_levels(x: torch.Tensor, activation: str, gated: bool) -> tuple[torch.Tensor, torch.Tensor]:
    out = _fake(x, activation, gated)
    return torch.empty_like(out, dtype=torch.float8_e4m3fn), x.new_empty(x.shape[0], 1, dtype=torch.float32)


@operator("activate(Tensor x, str activation, bool gated) -> Tensor", fake=_fake)
def activate(x: torch.Tensor, activation: str, gated: bool) -> torch.Tensor:
    """The activation of x, or of its first half times its second: (rows, width), or (rows, width / 2) where gated.

    x: (rows, width), contiguous. gated: whether each row is a part to be activated, then one to multiply it with.
    """
    out = _fake(x, activation, gated)
    grid, options = tile(*out.shape)
    activate_kernel[grid](x, out, None, *out.shape, activation, gated, **options)
    return out


@operator("activate_levels(Tensor x, str activation, bool gated) -> (Tensor, Tensor)", fake=_fake_levels)
def activate_levels(x: torch.Tensor, activation: str, gated: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """As `activate`, in 8 bits: e4m3 (rows, width), and each row's scale, float32 (rows, 1)."""
    levels, scales = _fake_levels(x, activation, gated)
    grid, options = tile(*levels.shape)
    activate_kernel[grid](x, levels, scales, *levels.shape, activation, gated, **options)
    return levels, scales
