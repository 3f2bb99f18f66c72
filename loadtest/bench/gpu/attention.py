"""The engine's attention against its formula: whatever kernel a device and a type get."""

from collections.abc import Iterator

import numpy as np
import torch

from loadtest.bench.gpu.bench import Bench
from loadtest.bench.gpu.rows import Row, tried
from serve_app.domain.sequences import Sequences
from serve_app.engine.layers.attention import SelfAttention
from serve_app.engine.layers.placement import Placement

# Heads and their size: of a base model, of MiniLM-L-12, of TinyBERT, which torch's kernel for any lengths refuses.
HEADS = ((12, 64), (12, 32), (12, 26))
WINDOWS = (1, 16, 64, 128)  # tokens to either side
SPREAD = 2  # of the numbers that are drawn
# The most that a number may be off: some units in the last place of a value of 8.
BOUNDS = {torch.float32: 5e-5, torch.float16: 0.02, torch.bfloat16: 0.15}


def varlen(bench: Bench) -> Iterator[Row]:
    """How far attention is from its formula in float32, with each sequence by itself."""
    for dtype in BOUNDS:
        for heads, size in HEADS[:1] if bench.quick else HEADS:
            name = f"{str(dtype).removeprefix('torch.')}, heads of {size} numbers"
            yield from tried(name, _rows(bench, dtype, heads, size, name))


def _rows(bench: Bench, dtype: torch.dtype, heads: int, size: int, name: str) -> Iterator[Row]:
    step, placement = _step(bench), Placement(bench.on, dtype)
    packed, count = placement.pack(step, step.places), step.token_ids.size
    query, key, value = (_drawn(bench, dtype, count, heads, size, seed) for seed in range(3))
    with torch.inference_mode():
        for window in (None, *WINDOWS):
            found = SelfAttention(query.shape[2], placement)(packed, window)(query, key, value)
            expected = _formula(query, key, value, row_lengths=packed.lengths, lengths=packed.lengths, window=window)
            which = "whole sequences" if window is None else f"windows of {window}"
            yield _difference(f"{name}, {which}", found, expected, dtype)
        firsts = query[packed.starts.long()]
        found = SelfAttention(query.shape[2], placement)(packed, first_tokens=True)(firsts, key, value)
        expected = _formula(firsts, key, value, row_lengths=[1] * len(step), lengths=packed.lengths)
        yield _difference(f"{name}, first tokens alone", found, expected, dtype)


def _step(bench: Bench) -> Sequences:
    """Sequences of 1 token to 512, longest first; every length up to 70, and those about the kernels' blocks."""
    lengths = [512, 511, 385, 384, 300, 257, 256, 255, 192, 129, 128, 127, 100, *range(70, 0, -1)]
    array = np.array(lengths[9::7] if bench.quick else lengths, dtype=np.int32)
    return Sequences.plain(np.zeros(int(array.sum()), dtype=np.int32), array)


def _drawn(bench: Bench, dtype: torch.dtype, tokens: int, heads: int, size: int, seed: int) -> torch.Tensor:  # noqa: PLR0917
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(tokens, heads, size, generator=generator) * SPREAD).to(bench.on, dtype)


def _formula(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *,
    row_lengths: list[int],
    lengths: list[int],
    window: int | None = None,
) -> torch.Tensor:
    """Softmax of products over each sequence, in float32: (rows, heads * size)."""
    parts = zip(
        *(torch.split(x.float(), each) for x, each in ((query, row_lengths), (key, lengths), (value, lengths))),
        strict=True,
    )
    found = []
    for asking, seen, values in parts:
        weights = torch.einsum("rhs,ths->hrt", asking, seen) / asking.shape[-1] ** 0.5
        if window is not None:
            place = torch.arange(len(seen), device=seen.device)
            weights[:, (place[:, None] - place).abs() > window] = -torch.inf
        found.append(torch.einsum("hrt,ths->rhs", weights.softmax(-1), values).flatten(1))
    return torch.cat(found)


def _difference(name: str, found: torch.Tensor, expected: torch.Tensor, dtype: torch.dtype) -> Row:
    return Row(name, float((found.float() - expected).abs().max()), "max Δ", bound=BOUNDS[dtype])
