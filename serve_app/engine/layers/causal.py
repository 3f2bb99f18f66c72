"""Causal attention: each token sees those before it in its sequence, and the beginning that it shares with others."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any, Protocol, Self

import numpy as np
import torch
from torch.nn import functional

from serve_app.engine.layers.attention import takes_varlen
from serve_app.engine.layers.packed import Packed
from serve_app.engine.layers.past import Beginning, Past
from serve_app.engine.layers.placement import Placement

# Tokens that ask at once: with more of them more of what they see is masked, with fewer there are more calls.
BLOCK, BLOCK_OF_GPU = 64, 256
MOST_SEEN = 16_384  # tokens of one call: a beginning's keys and values come once for each sequence of it


class LayerAttention(Protocol):
    """One layer's attention in a step."""

    def __call__(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """What each row makes of the tokens that it sees: (rows, heads * size).

        query: (rows, heads, size). key, value: (tokens, key_value_heads, size), of the step's own tokens. Several heads
        of queries share one of keys and values: the first ones the first one.
        """
        ...


class StepCausalAttention(Protocol):
    """A step's attention, layer by layer."""

    def in_layer(self, layer: int) -> LayerAttention:
        """Where every token asks."""
        ...

    def last_tokens(self, layer: int) -> LayerAttention:
        """Where only the last token of each sequence asks."""
        ...


@dataclass(frozen=True, slots=True)
class Run:
    """Sequences of one length that begin alike. count: how many. tokens: of each, without the beginning."""

    count: int
    tokens: int
    beginning: Beginning | None


class CausalRuns:
    """By torch's fused attention, one call for each run of sequences and block of tokens: every device and type."""

    def __init__(self, step: Packed, dtype: torch.dtype) -> None:
        self._runs = list(_runs(step))
        most = max(run.tokens + (run.beginning.tokens if run.beginning else 0) for run in self._runs)
        device = step.token_ids.device
        block = BLOCK if device.type == "cpu" else BLOCK_OF_GPU
        # A token of the last block sees all columns but those of the tokens behind it.
        self._mask = torch.full((block, most), -torch.inf, dtype=dtype, device=device).triu(most - block + 1)

    def in_layer(self, layer: int) -> LayerAttention:
        """See StepCausalAttention."""
        return _RunsOfLayer(self._runs, layer, self._mask, last_tokens=False)

    def last_tokens(self, layer: int) -> LayerAttention:
        """See StepCausalAttention."""
        return _RunsOfLayer(self._runs, layer, self._mask, last_tokens=True)


class _RunsOfLayer:
    def __init__(self, runs: list[Run], layer: int, mask: torch.Tensor, *, last_tokens: bool) -> None:
        self._runs, self._layer, self._mask, self._last_tokens = runs, layer, mask, last_tokens

    def __call__(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """See LayerAttention."""
        out = torch.empty_like(query)
        row, token, block = 0, 0, len(self._mask)
        for run in self._runs:
            rows = 1 if self._last_tokens else run.tokens
            next_row, next_token = row + run.count * rows, token + run.count * run.tokens
            shape = run.count, rows, *query.shape[1:]
            past, own = run.beginning, slice(token, next_token)
            keys = _behind(past.keys[self._layer] if past else None, key[own], run)
            values = _behind(past.values[self._layer] if past else None, value[own], run)
            asking, into = query[row:next_row].view(shape).transpose(1, 2), out[row:next_row].view(shape)
            first = keys.shape[2] - rows  # tokens that all rows see
            for start in range(0, rows, block):
                stop = min(start + block, rows)
                attended = functional.scaled_dot_product_attention(
                    asking[:, :, start:stop],
                    keys[:, :, : first + stop],
                    values[:, :, : first + stop],
                    attn_mask=None if stop - start == 1 else self._masked(stop - start, first + stop),
                    enable_gqa=True,
                )
                into[:, start:stop].copy_(attended.transpose(1, 2))
            row, token = next_row, next_token
        return out.flatten(1)

    def _masked(self, rows: int, columns: int) -> torch.Tensor:
        """The mask of the last rows of so many columns."""
        return self._mask[len(self._mask) - rows :, self._mask.shape[1] - columns :]


def _behind(past: torch.Tensor | None, own: torch.Tensor, run: Run) -> torch.Tensor:
    """A run's keys or values with those of its beginning: (count, key_value_heads, tokens, size).

    past: (tokens, key_value_heads, size), of the beginning. own: (count * tokens, key_value_heads, size).
    """
    each = own.reshape(run.count, run.tokens, *own.shape[1:])
    if past is not None:
        each = torch.cat([past.expand(run.count, *past.shape), each], dim=1)
    return each.transpose(1, 2)


def _runs(step: Packed) -> Iterator[Run]:
    beginnings = [-1] * len(step.lengths) if step.past is None else step.past.of
    for (beginning, tokens), members in groupby(zip(beginnings, step.lengths, strict=True)):
        own = None if step.past is None or beginning < 0 else step.past.beginnings[beginning]
        count, most = sum(1 for _ in members), max(1, MOST_SEEN // (tokens + (own.tokens if own else 0)))
        for first in range(0, count, most):
            yield Run(min(most, count - first), tokens, own)


@dataclass(frozen=True, slots=True)
class Joined:
    """How the keys and values that a step's sequences see lie end to end: each one's beginning, then its own.

    keys, values: of all beginnings, one behind the other: (layers, tokens, key_value_heads, size). order: int32 (tokens
    seen,), as Past has it. bounds: int32 (sequences + 1,), where each sequence begins. longest: tokens that one sees.
    """

    keys: torch.Tensor
    values: torch.Tensor
    order: torch.Tensor
    bounds: torch.Tensor
    longest: int

    @classmethod
    def of(cls, past: Past, lengths: list[int], placement: Placement) -> Self:
        """Of a step. lengths: tokens of each sequence without its beginning."""
        order, seen = past.order(lengths), past.tokens_seen(lengths)
        on_device = placement.send(np.concatenate([order, [0], np.cumsum(seen)], dtype=np.int32))
        keys, values = (
            torch.cat(each, dim=1) if len(each) > 1 else each[0]
            for each in zip(*((beginning.keys, beginning.values) for beginning in past.beginnings), strict=True)
        )
        on_device_order, bounds = on_device.split_with_sizes([order.size, seen.size + 1])
        return cls(keys, values, on_device_order, bounds, int(seen.max()))


class VarlenCausal:
    """By torch's variable-length kernel, whatever the lengths: CUDA, float16 or bfloat16.

    The kernel lays a sequence's mask so that its last row sees its last key: rows see all of a beginning that lies
    ahead of their own tokens. Source: col_idx_limit_right in flash-attention's csrc/flash_attn/src/mask.h.
    """

    def __init__(self, step: Packed, placement: Placement) -> None:
        self._step = step
        self._joined = None if step.past is None else Joined.of(step.past, step.lengths, placement)
        self._join = _fused_join() if placement.fused else _plain_join

    def in_layer(self, layer: int) -> LayerAttention:
        """See StepCausalAttention."""
        return self._attention(layer, self._step.bounds, self._step.longest)

    def last_tokens(self, layer: int) -> LayerAttention:
        """See StepCausalAttention."""
        return self._attention(layer, self._step.counts, 1)

    def _attention(self, layer: int, row_bounds: torch.Tensor, most_rows: int) -> LayerAttention:
        from torch.nn.attention.varlen import varlen_attn  # see VarlenAttention

        joined, joins = self._joined, self._join
        bounds, longest = (joined.bounds, joined.longest) if joined else (self._step.bounds, self._step.longest)
        # Also for last tokens, who see all: without a window the kernel would split keys where few ask, and how
        # depends on what else is in the step.
        options = {"window_size": (-1, 0), **_shared_heads()}

        def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
            if joined:
                key, value = joins(key, value, joined.keys[layer], joined.values[layer], joined.order)
            out = varlen_attn(query, key, value, row_bounds, bounds, most_rows, longest, **options)
            assert isinstance(out, torch.Tensor)
            return out.flatten(1)

        return attend


@cache
def _shared_heads() -> dict[str, Any]:
    """How `varlen_attn` is told that heads of queries share those of keys: torch 2.11 takes them without a word."""
    from torch.nn.attention.varlen import varlen_attn

    return {"enable_gqa": True} if "enable_gqa" in inspect.signature(varlen_attn).parameters else {}


# From keys and values of a step's tokens, those of beginnings and an order, keys and values in that order.
Join = Callable[
    [torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]
]


def _plain_join(
    key: torch.Tensor, value: torch.Tensor, past_key: torch.Tensor, past_value: torch.Tensor, order: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    keys, values = (torch.cat(each).index_select(0, order) for each in ((past_key, key), (past_value, value)))
    return keys, values


def _fused_join() -> Join:
    from serve_app.engine.kernels.join import join

    return join


class CausalAttention:
    """Makes the attention of each step, by the kernel that suits the device.

    by_shape_alone: see Encoder; of steps whose sequences begin with themselves.
    """

    def __init__(self, size: int, placement: Placement) -> None:
        """Choose the kernel. size: width of a head."""
        self._placement = placement
        self.by_shape_alone = takes_varlen(size, placement)

    def __call__(self, step: Packed) -> StepCausalAttention:
        """The attention of one step."""
        if self.by_shape_alone:
            return VarlenCausal(step, self._placement)
        return CausalRuns(step, self._placement.dtype)
