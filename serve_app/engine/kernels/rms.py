"""Rows scaled to a mean square of 1, in one pass over memory with the addition that comes before."""

import torch
import triton
import triton.language as tl

from serve_app.engine.kernels.levels import row_levels
from serve_app.engine.kernels.norm import results_of
from serve_app.engine.kernels.operator import operator
from serve_app.engine.kernels.tiles import tile


@triton.jit(do_not_specialize=["rows"])  # no other kernel for another step
def rms_norm_kernel(
    y, residual, weight, out, total, levels, scales, rows, width, epsilon, ROWS: tl.constexpr, BLOCK: tl.constexpr
):
    """ROWS rows a program, float32 inside. Where residual, total or levels are not there or not wanted, they are None.

    As in transformers' Qwen3RMSNorm a row is rounded before it is weighted.
    """
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, BLOCK)
    here = column < width
    at = row[:, None] * width + column[None, :]
    inside = (row < rows)[:, None] & here[None, :]
    x = tl.load(y + at, inside, other=0.0).to(tl.float32)
    if residual is not None:
        x += tl.load(residual + at, inside, other=0.0).to(tl.float32)
    if total is not None:
        tl.store(total + at, x.to(total.dtype.element_ty), inside)
    scale = tl.rsqrt(tl.sum(x * x, 1) / width + epsilon)
    rounded = (x * scale[:, None]).to(out.dtype.element_ty).to(tl.float32)
    normalised = rounded * tl.load(weight + column, here, other=0.0)[None, :]
    tl.store(out + at, normalised.to(out.dtype.element_ty), inside)
    if levels is not None:
        level, level_scale = row_levels(normalised)
        tl.store(levels + at, level.to(levels.dtype.element_ty), inside)
        tl.store(scales + row, level_scale, row < rows)


def _fake(
    y: torch.Tensor,
    residual: torch.Tensor | None,
    weight: torch.Tensor,
    epsilon: float,
    keep_sum: bool,
    with_levels: bool,
) -> list[torch.Tensor]:
    return results_of(y, keep_sum=keep_sum, with_levels=with_levels)


@operator(
    "rms_norm(Tensor y, Tensor? residual, Tensor weight, float epsilon, bool keep_sum, bool with_levels) -> Tensor[]",
    fake=_fake,
)
def rms_norm(
    y: torch.Tensor,
    residual: torch.Tensor | None,
    weight: torch.Tensor,
    epsilon: float,
    keep_sum: bool,
    with_levels: bool,
) -> list[torch.Tensor]:
    """RMSNorm(residual + y), (rows, width) in the type of y; then the sum itself, then its levels and scales.

    y, residual: (rows, width), contiguous; without a residual, y alone is normalised. weight: float32 (width,).
    keep_sum: whether residual + y comes second. with_levels: whether the normalised rows come in 8 bits, too: e4m3
    (rows, width) and float32 (rows, 1).
    """
    results = results_of(y, keep_sum=keep_sum, with_levels=with_levels)
    total = results[1] if keep_sum else None
    levels, scales = results[-2:] if with_levels else (None, None)
    rows, width = y.shape
    grid, options = tile(rows, width)
    rms_norm_kernel[grid](y, residual, weight, results[0], total, levels, scales, rows, width, epsilon, **options)
    return results
