"""Rotary positions: a step's queries and keys turned where they lie, in one launch."""

import torch
import triton
import triton.language as tl

from serve_app.engine.kernels.operator import operator

PAIRS = 2_048  # of numbers that are turned together, in each program


# Where rows begin in a step's buffer varies, and so does whether that is a multiple of 16 bytes.
@triton.jit(do_not_specialize=["asking", "queries", "keys"])
def rotation_kernel(
    query, key, cos, sin, asking, queries, keys, heads, query_stride, key_stride,
    SIZE: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """ROWS heads of queries, or of keys where the grid's second index is 1. BLOCK: a power of two from SIZE / 2 on."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    place, head = row // heads, row % heads
    column = tl.arange(0, BLOCK)[None, :]
    half: tl.constexpr = SIZE // 2
    if tl.program_id(1) == 0:
        inside = (place < queries)[:, None] & (column < half)
        left = query + (place.to(tl.int64) * query_stride + head * SIZE)[:, None] + column
        token = place
        if asking is not None:
            token = tl.load(asking + place, place < queries, other=0)
    else:
        inside = (place < keys)[:, None] & (column < half)
        left = key + (place.to(tl.int64) * key_stride + head * SIZE)[:, None] + column
        token = place
    angle = token.to(tl.int64)[:, None] * half + column
    c = tl.load(cos + angle, inside, other=0.0)
    s = tl.load(sin + angle, inside, other=0.0)
    first = tl.load(left, inside, other=0.0).to(tl.float32)
    second = tl.load(left + half, inside, other=0.0).to(tl.float32)
    tl.store(left, (first * c - second * s).to(query.dtype.element_ty), inside)
    tl.store(left + half, (second * c + first * s).to(query.dtype.element_ty), inside)


def _fake(
    query: torch.Tensor, key: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, asking: torch.Tensor | None
) -> None:
    for x in (query, key):
        # A token's heads lie side by side; the tokens may lie apart, as in a product that holds values, too.
        assert x.stride()[1:] == (x.shape[2], 1), x.stride()
    assert query.dtype == key.dtype
    assert asking is None or asking.dtype == torch.int32
    assert cos.dtype == sin.dtype == torch.float32


@operator(
    "rotate_(Tensor(a!) query, Tensor(b!) key, Tensor cos, Tensor sin, Tensor? asking) -> ()",
    fake=_fake,
)
def rotate_(
    query: torch.Tensor, key: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, asking: torch.Tensor | None
) -> None:
    """Turn queries and keys in place.

    query: (rows, heads, size). key: (tokens, heads, size). cos, sin: float32 (tokens, size / 2), contiguous. asking:
    int32 (rows,), the tokens that the queries belong to; None where all tokens ask.
    """
    _fake(query, key, cos, sin, asking)
    rows, heads, size = query.shape
    block = triton.next_power_of_2(size // 2)
    together = max(1, PAIRS // block)
    grid = triton.cdiv(max(rows, key.shape[0]) * heads, together), 2
    numbers = rows, key.shape[0], heads, query.stride(0), key.stride(0)
    rotation_kernel[grid](query, key, cos, sin, asking, *numbers, SIZE=size, BLOCK=block, ROWS=together)
