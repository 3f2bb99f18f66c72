"""Attention over sequences of different lengths that lie end to end, without padding."""

from itertools import groupby
from typing import Protocol

import torch
from torch.nn import functional

from serve_app.engine.layers.packed import Packed
from serve_app.engine.layers.placement import Placement
from serve_app.engine.layers.window import WindowAttention

# Widths of a head that torch's variable-length kernel takes: multiples of 8 up to 256 (TORCH_CHECKs of flash_api.cpp).
VARLEN_SIZES, VARLEN_MOST_SIZE = 8, 256
# The widest head of which kernels of our own keep a block in registers.
MOST_FUSED_SIZE = 128


def takes_varlen(size: int, placement: Placement) -> bool:
    """Whether torch's variable-length kernel attends on this placement. size: width of a head."""
    return placement.varlen and size % VARLEN_SIZES == 0 and size <= VARLEN_MOST_SIZE


class Attention(Protocol):
    """One step's attention."""

    def __call__(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """What every row makes of the tokens of its own sequence: (rows, heads * size).

        query: (rows, heads, size). key, value: (tokens, heads, size).
        """
        ...


class StepAttention(Protocol):
    """What makes the attention of each step."""

    @property
    def by_shape_alone(self) -> bool:
        """See Encoder."""
        ...

    def __call__(self, step: Packed, *, first_tokens: bool = False) -> Attention:
        """The attention of one step. first_tokens: whether only the first token of each sequence asks."""
        ...


class SequenceAttention:
    """Attention by torch's fused kernel, one call for each run of sequences of the same length.

    Works on every device and in every precision; on a CPU nested tensors and padded masks are slower.
    """

    def __init__(self, lengths: list[int], row_lengths: list[int]) -> None:
        """Prepare the attention of one step.

        lengths: tokens of each sequence. row_lengths: how many of them ask; all of them, or 1 for the first alone.
        """
        runs = groupby(zip(row_lengths, lengths, strict=True))
        self._runs = [(sum(1 for _ in members), rows, tokens) for (rows, tokens), members in runs]

    def __call__(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """See Attention."""
        heads, size = query.shape[1:]
        out = torch.empty(query.shape[0], heads * size, dtype=query.dtype, device=query.device)
        row = token = 0
        for count, rows, tokens in self._runs:
            next_row, next_token = row + count * rows, token + count * tokens
            attended = functional.scaled_dot_product_attention(
                query[row:next_row].view(count, rows, heads, size).transpose(1, 2),
                key[token:next_token].view(count, tokens, heads, size).transpose(1, 2),
                value[token:next_token].view(count, tokens, heads, size).transpose(1, 2),
            )
            out[row:next_row].view(count, rows, heads, size).copy_(attended.transpose(1, 2))
            row, token = next_row, next_token
        return out


class VarlenAttention:
    """Attention by torch's variable-length kernel: CUDA, float16 or bfloat16."""

    def __init__(self, step: Packed, window: int | None, *, first_tokens: bool) -> None:
        self._row_bounds, self._most_rows = (step.counts, 1) if first_tokens else (step.bounds, step.longest)
        self._token_bounds, self._most_tokens = step.bounds, step.longest
        self._window = (-1, -1) if window is None else (window, window)

    def __call__(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """See Attention."""
        from torch.nn.attention.varlen import (
            varlen_attn,
        )  # brings torch's compiler, seconds that a CPU need not wait for

        bounds = self._row_bounds, self._token_bounds, self._most_rows, self._most_tokens
        out = varlen_attn(query, key, value, *bounds, window_size=self._window)
        assert isinstance(out, torch.Tensor)
        return out.flatten(1)


class SelfAttention:
    """Makes the attention of each step, by the kernel that suits the device. by_shape_alone: see Encoder."""

    def __init__(self, size: int, placement: Placement) -> None:
        """Choose the kernel. size: width of a head."""
        self._device = placement.device
        self.by_shape_alone = takes_varlen(size, placement)

    def __call__(self, step: Packed, window: int | None = None, *, first_tokens: bool = False) -> Attention:
        """The attention of one step.

        window: how many tokens to either side a token attends to; None for the whole sequence. first_tokens: whether
        only the first token of each sequence asks, which takes a window of None.
        """
        # The kernel counts a window from a sequence's end: right only where every token asks.
        assert window is None or not first_tokens
        if self.by_shape_alone:
            return VarlenAttention(step, window, first_tokens=first_tokens)
        lengths = step.lengths
        if window is not None and max(lengths) > window + 1:
            return WindowAttention(lengths, window, self._device)
        return SequenceAttention(lengths, [1] * len(lengths) if first_tokens else lengths)
