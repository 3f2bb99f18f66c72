"""Rows in 8-bit floating point (e4m3), each with a scale of its own, so that no row depends on another."""

import triton
import triton.language as tl

MOST = 448.0  # the largest number that e4m3 has
LEAST = 1e-12  # what counts as the largest number of a row that has none: its scale is no denormal
_MOST, _LEAST = tl.constexpr(MOST), tl.constexpr(LEAST)


@triton.jit
def row_levels(x):
    """Levels and scales of rows: float32 (rows, width) -> float32 (rows, width), float32 (rows,).

    What is outside the row must be 0.
    """
    scale = tl.maximum(tl.max(tl.abs(x), 1), _LEAST) / _MOST
    factor = 1.0 / scale
    return x * factor[:, None], scale
