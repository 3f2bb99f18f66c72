"""Keys and values of a step's tokens behind those of what their sequences begin with, in one pass over memory."""

import torch
import triton
import triton.language as tl

from serve_app.engine.kernels.operator import operator
from serve_app.engine.kernels.tiles import tile


# No other kernel for another step, whose index lies in memory as its tokens let it.
@triton.jit(do_not_specialize=["rows", "begun"], do_not_specialize_on_alignment=["index"])
def join_kernel(
    key, value, past_key, past_value, index, joined_key, joined_value, rows, begun, width, key_stride, value_stride,
    ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """ROWS tokens a program, their keys, or their values where the grid's second index is 1. begun: tokens of pasts."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, BLOCK)[None, :]
    known = row < rows
    place = tl.load(index + row, known, other=0).to(tl.int64)
    own = place >= begun
    inside = known[:, None] & (column < width)
    of_past = place[:, None] * width + column
    of_step = (place - begun)[:, None]
    into = row[:, None] * width + column
    if tl.program_id(1) == 0:
        x = tl.load(past_key + of_past, inside & ~own[:, None], other=0.0)
        y = tl.load(key + of_step * key_stride + column, inside & own[:, None], other=0.0)
        tl.store(joined_key + into, tl.where(own[:, None], y, x), inside)
    else:
        x = tl.load(past_value + of_past, inside & ~own[:, None], other=0.0)
        y = tl.load(value + of_step * value_stride + column, inside & own[:, None], other=0.0)
        tl.store(joined_value + into, tl.where(own[:, None], y, x), inside)


def _fake(
    key: torch.Tensor, value: torch.Tensor, past_key: torch.Tensor, past_value: torch.Tensor, index: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    for x in (key, value):
        # A token's heads lie side by side; the tokens may lie apart, as in a product that holds both.
        assert x.stride()[1:] == (x.shape[2], 1), x.stride()
    assert past_key.is_contiguous()
    assert past_value.is_contiguous()
    assert key.dtype == value.dtype == past_key.dtype == past_value.dtype
    assert key.shape == value.shape
    assert past_key.shape == past_value.shape == (past_key.shape[0], *key.shape[1:])
    assert index.dtype == torch.int32
    shape = index.shape[0], *key.shape[1:]
    return key.new_empty(shape), key.new_empty(shape)


@operator(
    "join(Tensor key, Tensor value, Tensor past_key, Tensor past_value, Tensor index) -> (Tensor, Tensor)", fake=_fake
)
def join(
    key: torch.Tensor, value: torch.Tensor, past_key: torch.Tensor, past_value: torch.Tensor, index: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys and values in the order of the index: (rows, key_value_heads, size) each, contiguous.

    key, value: (tokens, key_value_heads, size), of a step. past_key, past_value: (past tokens, key_value_heads, size),
    contiguous, of beginnings. index: int32 (rows,), which token each row is of: first the past ones are counted.
    """
    joined_key, joined_value = _fake(key, value, past_key, past_value, index)
    rows, width = index.shape[0], key.shape[1] * key.shape[2]
    grid, options = tile(rows, width)
    tensors = key, value, past_key, past_value, index, joined_key, joined_value
    numbers = rows, past_key.shape[0], width, key.stride(0), value.stride(0)
    join_kernel[(*grid, 2)](*tensors, *numbers, **options)
    return joined_key, joined_value
