"""The packed forward pass of DeBERTa: attention to what a token is and, apart from it, to how far away it is."""

from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from serve_app.domain.sequences import Sequences
from serve_app.engine.layers.packed import Packed
from serve_app.engine.layers.placement import Placement
from serve_app.engine.models.bert.encoder import FeedForward, LayerNorm
from serve_app.engine.models.families import DebertaConfig
from serve_app.engine.models.heads import exact_linear
from serve_app.engine.weights import Weights


def distance_buckets(tokens: int, config: DebertaConfig) -> NDArray[np.int64]:
    """Row of the distance embeddings for the distance of each token to each other one: int64 (tokens, tokens).

    Near distances have a row of their own, far ones share it in logarithmic steps.
    """
    places, near = torch.arange(tokens), config.buckets // 2
    distances = places[:, None] - places
    # In transformers' order of operations: at a step's edge the last bit decides.
    steps = torch.log(distances.abs() / near) / torch.log(torch.tensor((config.farthest - 1) / near)) * (near - 1)
    far = (torch.ceil(steps) + near) * distances.sign()
    buckets = torch.where(distances.abs() <= near, distances, far.nan_to_num().long()) + config.buckets
    rows: NDArray[np.int64] = buckets.clamp(0, 2 * config.buckets - 1).numpy()
    return rows


class DisentangledAttention:
    """One step's attention, a call for each run of sequences of the same length. Source: arXiv 2006.03654.

    A score is the product of query and key, of query and the key of the distance, and of key and the query of the
    distance.
    """

    def __init__(
        self, lengths: list[int], row_lengths: list[int], buckets: NDArray[np.int64], placement: Placement
    ) -> None:
        """How many tokens each sequence has, and how many of them ask: all, or the first alone.

        buckets: of the longest sequence, as `distance_buckets` gives them.
        """
        self._runs = []
        for (rows, tokens), members in groupby(zip(row_lengths, lengths, strict=True)):
            asked = buckets[:rows, :tokens]
            # Of a short sequence few distances are asked for.
            low, high = int(asked.min()), int(asked.max()) + 1
            self._runs.append((sum(1 for _ in members), rows, tokens, low, high, placement.send(asked - low)))

    def __call__(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, distances: tuple[torch.Tensor, torch.Tensor]
    ) -> torch.Tensor:
        """As Attention. distances: query and key of each bucket, (heads, size, 2 * buckets)."""
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


class Layer:
    """One layer: disentangled attention, and what follows BERT's."""

    def __init__(
        self, weights: Weights, name: str, config: DebertaConfig, placement: Placement, distances: torch.Tensor
    ) -> None:
        """`distances`: float32 (2 * buckets, hidden), the embeddings of distances."""
        self._shape = (config.heads, config.head_size)

        def of_distances(weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
            table = functional.linear(distances, weight.to(placement.device), bias.to(placement.device))
            return table.view(-1, *self._shape).permute(1, 2, 0).to(placement.dtype).contiguous()

        query, key, value = (
            weights.linear(f"{name}.attention.self.{part}_proj", config.hidden, config.hidden)
            for part in ("query", "key", "value")
        )
        self._distances = of_distances(*query), of_distances(*key)
        # Not a normalised_linear: a query's and a key's rounding to int8 would enter a score twice each.
        self._query = placement.linear(*query)
        self._key_value = placement.linear(torch.cat([key[0], value[0]]), torch.cat([key[1], value[1]]))
        self._feed_forward = FeedForward(weights, name, config, placement)

    def __call__(
        self, x: torch.Tensor, attend: DisentangledAttention, rows: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Hidden states behind this layer.

        x: (tokens, hidden). rows: int32 (rows,), the tokens whose states are wanted; None for all.
        Returns (rows, hidden).
        """
        asking = x if rows is None else x.index_select(0, rows)
        query = self._query(asking).view(-1, *self._shape)
        key, value = self._key_value(x).view(-1, 2, *self._shape).unbind(1)
        return self._feed_forward(asking, attend(query, key, value, self._distances))


class DebertaEncoder:
    """Token sequences to hidden states.

    first_tokens: whether only each sequence's first token is wanted of the last layer.
    """

    by_shape_alone = False

    def __init__(self, weights: Weights, config: DebertaConfig, placement: Placement, *, first_tokens: bool) -> None:
        device, hidden = placement.device, config.hidden
        self._placement, self._first_tokens = placement, first_tokens
        # In float32, as of the other families: the table stays the mapped file.
        self._words = weights.get("embeddings.word_embeddings.weight", config.vocabulary, hidden).to(device)
        self._norm = LayerNorm(weights, "embeddings.LayerNorm", config, device, torch.float32)
        distances = weights.get("encoder.rel_embeddings.weight", 2 * config.buckets, hidden).to(device)
        distances = LayerNorm(weights, "encoder.LayerNorm", config, device, torch.float32)(distances)
        names = [f"encoder.layer.{number}" for number in range(config.layers)]
        self._layers = [Layer(weights, name, config, placement, distances) for name in names]
        self._buckets = distance_buckets(config.max_tokens, config)

    def positions(self, sequences: Sequences) -> NDArray[np.int64]:
        """Place of each token in its sequence: int64 (tokens,)."""
        return sequences.places

    def __call__(self, step: Packed) -> torch.Tensor:
        """Hidden states of the last layer: (tokens, hidden), or (sequences, hidden) where first tokens are wanted."""
        lengths = step.lengths
        attend = DisentangledAttention(lengths, lengths, self._buckets, self._placement)
        x = self._norm(functional.embedding(step.token_ids, self._words)).to(self._placement.dtype)
        for layer in self._layers[:-1]:
            x = layer(x, attend)
        if not self._first_tokens:
            return self._layers[-1](x, attend)
        first = DisentangledAttention(lengths, [1] * len(lengths), self._buckets, self._placement)
        return self._layers[-1](x, first, step.starts)


class DebertaClassificationHead:
    """A cross-encoder's relevance: dense, GELU and one output over the first token."""

    first_tokens = True
    width = 1

    def __init__(self, weights: Weights, config: DebertaConfig, device: torch.device) -> None:
        self._dense = exact_linear(weights, "pooler.dense", config.hidden, config.hidden, device, activation="gelu")
        self._out = exact_linear(weights, "classifier", 1, config.hidden, device)

    def __call__(self, states: torch.Tensor, step: Packed) -> torch.Tensor:  # noqa: ARG002
        """One logit a sequence: (sequences, 1)."""
        return self._out(self._dense(states.float()))
