"""A block's end in one pass over memory: what the block computed is added to its input, and the sum is normalised."""

import torch
import triton
import triton.language as tl

from serve_app.engine.kernels.levels import row_levels
from serve_app.engine.kernels.operator import operator
from serve_app.engine.kernels.tiles import tile


@triton.jit(do_not_specialize=["rows"])  # no other kernel for another step
def add_norm_kernel(
    y, residual, weight, bias, out, total, levels, scales, rows, width, epsilon, ROWS: tl.constexpr, BLOCK: tl.constexpr
):
    """ROWS rows a program, float32 inside. Without a bias, or where total or levels are not wanted, these are None."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, BLOCK)
    here = column < width
    at = row[:, None] * width + column[None, :]
    inside = (row < rows)[:, None] & here[None, :]
    x = tl.load(y + at, inside, other=0.0).to(tl.float32) + tl.load(residual + at, inside, other=0.0).to(tl.float32)
    if total is not None:
        tl.store(total + at, x.to(total.dtype.element_ty), inside)
    mean = tl.sum(x, 1) / width
    centred = tl.where(here[None, :], x - mean[:, None], 0.0)
    variance = tl.sum(centred * centred, 1) / width
    normalised = centred * tl.rsqrt(variance + epsilon)[:, None] * tl.load(weight + column, here, other=0.0)[None, :]
    if bias is not None:
        normalised += tl.load(bias + column, here, other=0.0)[None, :]
    tl.store(out + at, normalised.to(out.dtype.element_ty), inside)
    if levels is not None:
        level, scale = row_levels(normalised)
        tl.store(levels + at, level.to(levels.dtype.element_ty), inside)
        tl.store(scales + row, scale, row < rows)


def results_of(y: torch.Tensor, *, keep_sum: bool, with_levels: bool) -> list[torch.Tensor]:
    """Room for what a norm gives: the rows, their sum before it, and the rows in 8 bits with their scales.

    y: (rows, width). keep_sum, with_levels: whether what they name is wanted.
    """
    results = [torch.empty_like(y)]
    if keep_sum:
        results.append(torch.empty_like(y))
    if with_levels:
        results.append(torch.empty_like(y, dtype=torch.float8_e4m3fn))
        results.append(y.new_empty(y.shape[0], 1, dtype=torch.float32))
    return results


def _fake(
    y: torch.Tensor,
    residual: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    epsilon: float,
    keep_sum: bool,
    with_levels: bool,
) -> list[torch.Tensor]:
    return results_of(y, keep_sum=keep_sum, with_levels=with_levels)


@operator(
    "add_norm(Tensor y, Tensor residual, Tensor weight, Tensor? bias, float epsilon, bool keep_sum, bool with_levels)"
    " -> Tensor[]",
    fake=_fake,
)
def add_norm(
    y: torch.Tensor,
    residual: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    epsilon: float,
    keep_sum: bool,
    with_levels: bool,
) -> list[torch.Tensor]:
    """LayerNorm(residual + y), (rows, width) in the type of y; then the sum itself, then its levels and scales.

    y, residual: (rows, width), contiguous. weight, bias: float32 (width,). keep_sum: whether residual + y comes second.
    with_levels: whether the normalised rows come in 8 bits, too: e4m3 (rows, width) and float32 (rows, 1).
    """
    results = results_of(y, keep_sum=keep_sum, with_levels=with_levels)
    total = results[1] if keep_sum else None
    levels, scales = results[-2:] if with_levels else (None, None)
    rows, width = y.shape
    grid, options = tile(rows, width)
    add_norm_kernel[grid](y, residual, weight, bias, results[0], total, levels, scales, rows, width, epsilon, **options)
    return results
