"""Attention to what a token is and, apart from that, to how far away it is."""

from itertools import groupby

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch.nn import functional

from serve_app.engine.layers.placement import Placement


def distance_buckets(tokens: int, buckets: int, farthest: int) -> NDArray[np.int64]:
    """Row of the distance embeddings for each token's distance to each other one: int64 (tokens, tokens), to be read.

    It takes memory for the distances, not for the pairs. Near distances have a row of their own, far ones share rows in
    logarithmic steps. buckets: to either side. farthest: the distance at which the buckets end.
    """
    distances, near = torch.arange(1 - tokens, tokens), buckets // 2
    # In transformers' order of operations: at a step's edge the last bit decides.
    steps = torch.log(distances.abs() / near) / torch.log(torch.tensor((farthest - 1) / near)) * (near - 1)
    far = (torch.ceil(steps) + near) * distances.sign()
    chosen = torch.where(distances.abs() <= near, distances, far.nan_to_num().long()) + buckets
    rows: NDArray[np.int64] = chosen.clamp(0, 2 * buckets - 1).numpy()
    # Windows of the distances from each token to the last one up to the first: from near to far, then reversed.
    return sliding_window_view(rows, tokens)[:, ::-1]


class DisentangledAttention:
    """One step's attention, a call for each run of sequences of the same length. Source: DeBERTa, arXiv 2006.03654.

    A score is the sum of three products: query and key, query and the distance's key, key and the distance's query.
    """

    def __init__(
        self, lengths: list[int], row_lengths: list[int], buckets: NDArray[np.int64], placement: Placement
    ) -> None:
        """Prepare the attention of one step.

        lengths: tokens of each sequence. row_lengths: how many of them ask; all of them, or 1 for the first alone.
        buckets: of the longest sequence, as `distance_buckets` gives them.
        """
        self._runs = []
        for (rows, tokens), members in groupby(zip(row_lengths, lengths, strict=True)):
            asked = buckets[:rows, :tokens]
            # A short sequence has few distances: only their part of the tables is multiplied.
            low, high = int(asked.min()), int(asked.max()) + 1
            self._runs.append((sum(1 for _ in members), rows, tokens, low, high, placement.send(asked - low)))

    def __call__(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, distances: tuple[torch.Tensor, torch.Tensor]
    ) -> torch.Tensor:
        """See Attention. distances: query and key of each bucket, each (heads, size, 2 * buckets)."""
        heads, size = query.shape[1:]
        scale = (3 * size) ** -0.5
        out = torch.empty(query.shape, dtype=query.dtype, device=query.device)
        row = token = 0
        for count, rows, tokens, low, high, index in self._runs:
            next_row, next_token = row + count * rows, token + count * tokens
            q = query[row:next_row].view(count, rows, heads, size).transpose(1, 2)
            k, v = (x[token:next_token].view(count, tokens, heads, size).transpose(1, 2) for x in (key, value))
            distance_query, distance_key = (table[..., low:high] for table in distances)
            at = index.expand(count, heads, rows, tokens)
            bias = (q @ distance_key).gather(3, at)
            bias += (k @ distance_query).gather(3, at.transpose(2, 3)).transpose(2, 3)
            attended = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias.mul_(scale), scale=scale)
            out[row:next_row].view(count, rows, heads, size).copy_(attended.transpose(1, 2))
            row, token = next_row, next_token
        return out.flatten(1)
