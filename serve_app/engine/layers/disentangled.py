"""Attention to what a token is and, apart from that, to how far away it is. Source: DeBERTa, arXiv 2006.03654.

A score is the sum of three products: query and key, query and the distance's key, key and the distance's query.
"""

from dataclasses import dataclass
from itertools import groupby
from typing import Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from serve_app.engine.layers.attention import MOST_FUSED_SIZE
from serve_app.engine.layers.packed import Packed
from serve_app.engine.layers.placement import Placement


def distance_buckets(tokens: int, buckets: int, farthest: int) -> NDArray[np.int64]:
    """Row of the distance embeddings for each distance from 1 - tokens to tokens - 1: int64 (2 * tokens - 1,).

    A distance is the asking token's place less the other's. Near ones have a row of their own, far ones share rows in
    logarithmic steps, so that rows never fall. buckets: to either side. farthest: the distance at which they end.
    """
    distances, near = torch.arange(1 - tokens, tokens), buckets // 2
    # In transformers' order of operations: at a step's edge the last bit decides.
    steps = torch.log(distances.abs() / near) / torch.log(torch.tensor((farthest - 1) / near)) * (near - 1)
    far = (torch.ceil(steps) + near) * distances.sign()
    chosen = torch.where(distances.abs() <= near, distances, far.nan_to_num().long()) + buckets
    rows: NDArray[np.int64] = chosen.clamp(0, 2 * buckets - 1).numpy()
    return rows


def reached(rows: NDArray[np.int64], asking: int, tokens: int) -> tuple[int, int]:
    """The first of the distances' rows that a sequence reaches, and the one behind the last; or a few more rows.

    A short sequence has few distances: only their part of the tables is multiplied. rows: as `distance_buckets` gives
    them. asking: how many of its tokens ask, from the first on.
    """
    middle = rows.size // 2
    low, end = int(rows[middle + 1 - tokens]), int(rows[middle + asking - 1]) + 1
    # Products are faster whose rows begin at whole multiples of 16 bytes.
    return low // 8 * 8, -(-end // 8) * 8


def both_ways(rows: NDArray[np.int64]) -> NDArray[np.int32]:
    """The distances' rows as kernels read them: int32 (2, 2 * tokens - 1), from the first on, and from the last on."""
    return np.stack([rows, rows[::-1]]).astype(np.int32)


def score_scale(size: int) -> float:
    """What each of a score's three products is multiplied by. size: width of a head."""
    return float((3 * size) ** -0.5)


@dataclass(frozen=True, slots=True)
class Distances:
    """A layer's queries and keys of the distances: each (2 * buckets, heads, size), scaled.

    Scaled before they are multiplied: float16 does not hold all products that are scaled afterwards (microsoft/DeBERTa
    issue 77, huggingface/transformers pull request 24116).
    """

    query: torch.Tensor
    key: torch.Tensor

    @classmethod
    def of(cls, query: torch.Tensor, key: torch.Tensor, heads: int, placement: Placement) -> Self:
        """The tables in the placement's type. query, key: float32 (2 * buckets, hidden), as the layer projects them."""
        scale = score_scale(query.shape[1] // heads)
        query, key = (x.mul(scale).to(placement.dtype).view(x.shape[0], heads, -1) for x in (query, key))
        return cls(query, key)


class DisentangledAttention(Protocol):
    """One step's attention."""

    def __call__(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, distances: Distances
    ) -> torch.Tensor:
        """See Attention. distances: the layer's."""
        ...


class Disentangled:
    """Makes the attention of each step, in the form that suits the device.

    by_shape_alone: see Encoder.
    """

    def __init__(self, tokens: int, buckets: int, farthest: int, size: int, placement: Placement) -> None:
        """Prepare the rows of the distances. size: width of a head. The others are those of `distance_buckets`."""
        self._rows, self._buckets = distance_buckets(tokens, buckets, farthest), buckets
        self.by_shape_alone = placement.fused and size <= MOST_FUSED_SIZE
        self._on_device = placement.send(both_ways(self._rows) if self.by_shape_alone else self._rows)

    def __call__(self, step: Packed, *, first_tokens: bool = False) -> DisentangledAttention:
        """The attention of one step. first_tokens: whether only the first token of each sequence asks."""
        if not self.by_shape_alone:
            return DisentangledRuns(step.lengths, self._rows, self._on_device, first_tokens=first_tokens)
        if first_tokens:
            return FusedFirstDisentangled(step, self._on_device)
        low, end = reached(self._rows, step.longest, step.longest)
        return FusedDisentangled(step, self._on_device, low, end, self._buckets)


class DisentangledRuns:
    """Attention by torch's fused kernel with the distances as a mask, a call for each run of sequences of one length.

    Works on every device and in every precision.
    """

    def __init__(
        self, lengths: list[int], rows: NDArray[np.int64], on_device: torch.Tensor, *, first_tokens: bool
    ) -> None:
        """Prepare the attention of one step.

        lengths: tokens of each sequence. rows: as `distance_buckets` gives them; on_device: the same there.
        """
        middle = rows.size // 2
        self._runs = []
        for tokens, members in groupby(lengths):
            asking = 1 if first_tokens else tokens
            low, end = reached(rows, asking, tokens)
            # The window of the token at place p ends p to the right of the middle; it begins with the last token.
            windows = on_device[middle + 1 - tokens : middle + asking].unfold(0, tokens, 1)
            self._runs.append((sum(1 for _ in members), asking, tokens, low, end, (windows - low).flip(1)))

    def __call__(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, distances: Distances
    ) -> torch.Tensor:
        """See DisentangledAttention."""
        heads, size = query.shape[1:]
        out = torch.empty(query.shape, dtype=query.dtype, device=query.device)
        row = token = 0
        for count, asking, tokens, low, end, index in self._runs:
            next_row, next_token = row + count * asking, token + count * tokens
            q = query[row:next_row].view(count, asking, heads, size).transpose(1, 2)
            k, v = (x[token:next_token].view(count, tokens, heads, size).transpose(1, 2) for x in (key, value))
            at = index.expand(count, heads, asking, tokens)
            # One after the other: each table of products is larger than all that comes of it.
            bias = _by_distance(query[row:next_row], distances.key[low:end], count).gather(3, at)
            of_keys = _by_distance(key[token:next_token], distances.query[low:end], count)
            bias += of_keys.gather(3, at.transpose(2, 3)).transpose(2, 3)
            del of_keys
            attended = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=score_scale(size))
            out[row:next_row].view(count, asking, heads, size).copy_(attended.transpose(1, 2))
            row, token = next_row, next_token
        return out.flatten(1)


class FusedDisentangled:
    """Attention by a kernel of our own, whatever the lengths: CUDA."""

    def __init__(self, step: Packed, rows: torch.Tensor, low: int, end: int, buckets: int) -> None:
        """Prepare the attention of one step.

        rows: as `both_ways` gives them. low, end: which of them its sequences reach. buckets: to either side.
        """
        self._step, self._rows, self._low, self._end = step, rows, low, end
        self._near, self._centre = buckets // 2, buckets

    def __call__(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, distances: Distances
    ) -> torch.Tensor:
        """See DisentangledAttention."""
        from serve_app.engine.kernels.distance_attention import distance_attention

        of_queries = _products(query, distances.key[self._low : self._end])
        of_keys = _products(key, distances.query[self._low : self._end])
        tensors = query, key, value, of_queries, of_keys, self._rows, self._step.bounds
        numbers = self._low, self._near, self._centre, self._step.longest, score_scale(query.shape[2])
        out: torch.Tensor = distance_attention(*tensors, *numbers)
        return out


class FusedFirstDisentangled:
    """The same for the first token of each sequence alone."""

    def __init__(self, step: Packed, rows: torch.Tensor) -> None:
        """Prepare the attention of one step. rows: as `both_ways` gives them."""
        self._bounds, self._rows = step.bounds, rows

    def __call__(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, distances: Distances
    ) -> torch.Tensor:
        """See DisentangledAttention."""
        from serve_app.engine.kernels.distance_attention import first_distance_attention

        scale = score_scale(query.shape[2])
        out: torch.Tensor = first_distance_attention(
            query, key, value, distances.query, distances.key, self._rows, self._bounds, scale
        )
        return out


def _products(x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """Each head's products: x (rows, heads, size), table (distances, heads, size) -> (heads, rows, distances)."""
    return torch.bmm(x.transpose(0, 1), table.permute(1, 2, 0))


def _by_distance(x: torch.Tensor, table: torch.Tensor, count: int) -> torch.Tensor:
    """The same of a run of `count` sequences: (count, heads, rows of one, distances)."""
    return _products(x, table).view(x.shape[1], count, -1, table.shape[0]).transpose(0, 1)
