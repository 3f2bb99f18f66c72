"""Attention whose scores have a number added for how far away a token is."""

import math
from itertools import groupby

import torch
from torch.nn import functional

from serve_app.engine.layers.attention import MOST_FUSED_SIZE, Attention
from serve_app.engine.layers.packed import Packed
from serve_app.engine.layers.placement import Placement

FARTHEST = 128  # the distance from which on all share a bucket


def distance_biases(table: torch.Tensor, buckets: int, tokens: int) -> torch.Tensor:
    """What is added for each distance from -(tokens - 1) to tokens - 1: float32 (heads, 2 * tokens - 1).

    A distance is the key's place less the query's. Near ones have a row of their own, far ones share rows in
    logarithmic steps. table: float32 (rows, heads), of which the first `buckets` are read. tokens: of the longest
    sequence. Source: T5, arXiv 1910.10683, as transformers' MPNet computes it.
    """
    distances = torch.arange(1 - tokens, tokens)
    half = buckets // 2
    exact = half // 2
    away = distances.abs()
    # In transformers' order of operations: at a step's edge the last bit decides.
    steps = torch.log(away.float() / exact) / math.log(FARTHEST / exact) * (half - exact)
    far = (exact + steps.clamp_min(0).long()).clamp_max(half - 1)
    rows = torch.where(away < exact, away, far) + (distances > 0) * half
    return table[rows].T.contiguous()


class BiasedAttention:
    """One step's attention, by torch's fused kernel, a call for each run of sequences of the same length."""

    def __init__(self, step: Packed, biases: torch.Tensor, *, first_tokens: bool) -> None:
        """Prepare the attention of one step.

        biases: (heads, 2 * tokens - 1), as `distance_biases` gives them. first_tokens: whether only the first token of
        each sequence asks.
        """
        middle = biases.shape[1] // 2
        self._runs = []
        for tokens, members in groupby(step.lengths):
            # The window of the query at place p begins p to the left of the middle.
            windows = biases[:, middle - tokens + 1 : middle + tokens].unfold(1, tokens, 1)
            bias = windows[:, -1:].contiguous() if first_tokens else windows.flip(1)
            self._runs.append((sum(1 for _ in members), tokens, bias))

    def __call__(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """See Attention."""
        heads, size = query.shape[1:]
        out = torch.empty(query.shape, dtype=query.dtype, device=query.device)
        row = token = 0
        for count, tokens, bias in self._runs:
            rows = bias.shape[1]
            next_row, next_token = row + count * rows, token + count * tokens
            q = query[row:next_row].view(count, rows, heads, size).transpose(1, 2)
            k, v = (x[token:next_token].view(count, tokens, heads, size).transpose(1, 2) for x in (key, value))
            attended = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
            out[row:next_row].view(count, rows, heads, size).copy_(attended.transpose(1, 2))
            row, token = next_row, next_token
        return out.flatten(1)


class FusedBiasedAttention:
    """The same by a kernel of our own, whatever the lengths: CUDA."""

    def __init__(self, step: Packed, biases: torch.Tensor, *, first_tokens: bool) -> None:
        """Prepare the attention of one step. Arguments are those of BiasedAttention."""
        self._step, self._biases, self._first_tokens = step, biases, first_tokens

    def __call__(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """See Attention."""
        from serve_app.engine.kernels.distance_attention import biased_attention

        bounds, longest = self._step.bounds, self._step.longest
        out: torch.Tensor = biased_attention(query, key, value, self._biases, bounds, longest, self._first_tokens)
        return out


class DistanceBias:
    """Makes the attention of each step; the biases are those of all layers. by_shape_alone: see Encoder."""

    def __init__(self, table: torch.Tensor, buckets: int, tokens: int, size: int, placement: Placement) -> None:
        """Prepare the biases. size: width of a head. The others are those of `distance_biases`."""
        self._biases = distance_biases(table, buckets, tokens).to(placement.device, placement.dtype)
        self.by_shape_alone = placement.fused and size <= MOST_FUSED_SIZE

    def __call__(self, step: Packed, *, first_tokens: bool = False) -> Attention:
        """The attention of one step. first_tokens: whether only the first token of each sequence asks."""
        form = FusedBiasedAttention if self.by_shape_alone else BiasedAttention
        return form(step, self._biases, first_tokens=first_tokens)
