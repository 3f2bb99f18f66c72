"""A model's input in one pass over memory: rows of the tables, added, normalised and cast."""

import torch
import triton
import triton.language as tl

from serve_app.engine.kernels.operator import operator
from serve_app.engine.kernels.tiles import tile


# No other kernel for another step, which lies in memory as its tokens let it.
@triton.jit(do_not_specialize=["rows"], do_not_specialize_on_alignment=["word", "position", "segment"])
def embed_kernel(
    words, word, positions, position, segments, segment, weight, bias, out, rows, width, epsilon,
    ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """ROWS tokens a program. Tables that are not there are None; without a segment, all tokens have the first."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, BLOCK)
    known, here = row < rows, column < width
    inside = known[:, None] & here[None, :]
    x = tl.load(
        words + tl.load(word + row, known, other=0).to(tl.int64)[:, None] * width + column[None, :], inside, other=0.0
    )
    if positions is not None:
        at = tl.load(position + row, known, other=0).to(tl.int64)
        x += tl.load(positions + at[:, None] * width + column[None, :], inside, other=0.0)
    if segments is not None:
        if segment is not None:
            at = tl.load(segment + row, known, other=0).to(tl.int64)
            x += tl.load(segments + at[:, None] * width + column[None, :], inside, other=0.0)
        else:
            x += tl.load(segments + column, here, other=0.0)[None, :]
    mean = tl.sum(x, 1) / width
    centred = tl.where(here[None, :], x - mean[:, None], 0.0)
    variance = tl.sum(centred * centred, 1) / width
    normalised = centred * tl.rsqrt(variance + epsilon)[:, None] * tl.load(weight + column, here, other=0.0)[None, :]
    if bias is not None:
        normalised += tl.load(bias + column, here, other=0.0)[None, :]
    tl.store(out + row[:, None] * width + column[None, :], normalised.to(out.dtype.element_ty), inside)


def _fake(
    words: torch.Tensor,
    word: torch.Tensor,
    positions: torch.Tensor | None,
    position: torch.Tensor | None,
    segments: torch.Tensor | None,
    segment: torch.Tensor | None,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    epsilon: float,
    dtype: torch.dtype,
) -> torch.Tensor:
    return words.new_empty(word.shape[0], words.shape[1], dtype=dtype)


@operator(
    "embed(Tensor words, Tensor word, Tensor? positions, Tensor? position, Tensor? segments, Tensor? segment,"
    " Tensor weight, Tensor? bias, float epsilon, ScalarType dtype) -> Tensor",
    fake=_fake,
)
def embed(
    words: torch.Tensor,
    word: torch.Tensor,
    positions: torch.Tensor | None,
    position: torch.Tensor | None,
    segments: torch.Tensor | None,
    segment: torch.Tensor | None,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    epsilon: float,
    dtype: torch.dtype,
) -> torch.Tensor:
    """LayerNorm(the sum of each token's rows of the tables): (tokens, width), computed in float32, in this dtype.

    words, positions, segments: tables, float32 (rows, width), contiguous. word, position, segment: int32 (tokens,), row
    of each token in them. A table that is None adds nothing; where a segment is None, all tokens have the first row.
    weight, bias: float32 (width,).
    """
    out = _fake(words, word, positions, position, segments, segment, weight, bias, epsilon, dtype)
    grid, options = tile(*out.shape)
    embed_kernel[grid](
        words, word, positions, position, segments, segment, weight, bias, out, *out.shape, epsilon, **options
    )
    return out
