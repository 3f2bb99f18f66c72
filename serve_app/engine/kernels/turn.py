"""A decoder's queries or keys: each head normalised and turned by its token's place, in one pass over memory."""

import torch
import triton
import triton.language as tl

from serve_app.engine.kernels.operator import operator

PAIRS = 2_048  # of numbers that are turned together, in each program


@triton.jit(do_not_specialize=["rows"])  # no other kernel for another step
def turn_kernel(
    x, cos, sin, weight, out, rows, heads, stride, epsilon,
    SIZE: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """ROWS heads a program, float32 inside. BLOCK: a power of two from SIZE / 2 on. weight: None without a norm."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    token = (row // heads).to(tl.int64)
    column = tl.arange(0, BLOCK)
    half: tl.constexpr = SIZE // 2
    here = column < half
    inside = (row < rows)[:, None] & here[None, :]
    at = (token * stride + row % heads * SIZE)[:, None] + column[None, :]
    first = tl.load(x + at, inside, other=0.0).to(tl.float32)
    second = tl.load(x + at + half, inside, other=0.0).to(tl.float32)
    if weight is not None:
        # Rounded where transformers' Qwen3RMSNorm rounds.
        scale = tl.rsqrt((tl.sum(first * first, 1) + tl.sum(second * second, 1)) / SIZE + epsilon)[:, None]
        first = (first * scale).to(out.dtype.element_ty).to(tl.float32)
        second = (second * scale).to(out.dtype.element_ty).to(tl.float32)
        first *= tl.load(weight + column, here, other=0.0)[None, :]
        second *= tl.load(weight + half + column, here, other=0.0)[None, :]
        first = first.to(out.dtype.element_ty).to(tl.float32)
        second = second.to(out.dtype.element_ty).to(tl.float32)
    angle = token[:, None] * half + column[None, :]
    c = tl.load(cos + angle, inside, other=0.0)
    s = tl.load(sin + angle, inside, other=0.0)
    into = row.to(tl.int64)[:, None] * SIZE + column[None, :]
    tl.store(out + into, (first * c - second * s).to(out.dtype.element_ty), inside)
    tl.store(out + into + half, (second * c + first * s).to(out.dtype.element_ty), inside)


def _fake(
    x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, weight: torch.Tensor | None, epsilon: float
) -> torch.Tensor:
    # A token's heads lie side by side; the tokens may lie apart, as in a product that holds values, too.
    assert x.stride()[1:] == (x.shape[2], 1), x.stride()
    assert cos.dtype == sin.dtype == torch.float32
    assert cos.shape == sin.shape == (x.shape[0], x.shape[2] // 2), (cos.shape, x.shape)
    return x.new_empty(x.shape)


@operator("turn(Tensor x, Tensor cos, Tensor sin, Tensor? weight, float epsilon) -> Tensor", fake=_fake)
def turn(
    x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, weight: torch.Tensor | None, epsilon: float
) -> torch.Tensor:
    """Each head's numbers, normalised and turned: (tokens, heads, size) in the type of x, contiguous.

    x: (tokens, heads, size). cos, sin: float32 (tokens, size / 2), contiguous. weight: of the norm, float32 (size,);
    None without one.
    """
    out = _fake(x, cos, sin, weight, epsilon)
    tokens, heads, size = x.shape
    block = triton.next_power_of_2(size // 2)
    together = max(1, PAIRS // block)
    grid = (triton.cdiv(tokens * heads, together),)
    numbers = tokens * heads, heads, x.stride(0), epsilon
    turn_kernel[grid](x, cos, sin, weight, out, *numbers, SIZE=size, BLOCK=block, ROWS=together)
    return out
