"""Causal attention: each token sees those before it in its sequence, and the beginning that it shares with others."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

import torch
from torch.nn import functional

from serve_app.engine.layers.packed import Packed
from serve_app.engine.layers.past import Beginning
from serve_app.engine.layers.placement import Placement

BLOCK = 256  # tokens that ask at once: with more of them more of what they see is masked


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
        # A token of the last block sees all columns but those of the tokens behind it.
        masked = torch.full((BLOCK, most), -torch.inf, dtype=dtype, device=step.token_ids.device)
        self._mask = masked.triu(most - BLOCK + 1)

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
        row = token = 0
        for run in self._runs:
            rows = 1 if self._last_tokens else run.tokens
            next_row, next_token = row + run.count * rows, token + run.count * run.tokens
            shape = run.count, rows, *query.shape[1:]
            past, own = run.beginning, slice(token, next_token)
            keys = _behind(past.keys[self._layer] if past else None, key[own], run)
            values = _behind(past.values[self._layer] if past else None, value[own], run)
            asking, into = query[row:next_row].view(shape).transpose(1, 2), out[row:next_row].view(shape)
            first = keys.shape[2] - rows  # tokens that all rows see
            for start in range(0, rows, BLOCK):
                stop = min(start + BLOCK, rows)
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
        return self._mask[BLOCK - rows :, self._mask.shape[1] - columns :]


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
        yield Run(sum(1 for _ in members), tokens, own)


class CausalAttention:
    """Makes the attention of each step, by the kernel that suits the device."""

    def __init__(self, placement: Placement) -> None:
        self._dtype = placement.dtype

    def __call__(self, step: Packed) -> StepCausalAttention:
        """The attention of one step."""
        return CausalRuns(step, self._dtype)
