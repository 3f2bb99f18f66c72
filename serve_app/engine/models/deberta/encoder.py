"""The packed forward pass of DeBERTa: sequences end to end, no padding anywhere."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from serve_app.domain.sequences import Sequences
from serve_app.engine.layers.disentangled import Disentangled, DisentangledAttention, Distances
from serve_app.engine.layers.feed_forward import FeedForward
from serve_app.engine.layers.names import DEBERTA
from serve_app.engine.layers.packed import Packed
from serve_app.engine.layers.placement import Placement
from serve_app.engine.models.bert.encoder import InputEmbeddings
from serve_app.engine.models.deberta.config import DebertaConfig
from serve_app.engine.weights import Weights


class Layer:
    """One layer: disentangled attention, and what follows BERT's."""

    def __init__(
        self, weights: Weights, name: str, config: DebertaConfig, placement: Placement, distances: torch.Tensor
    ) -> None:
        """Read the weights of the layer called `name`.

        distances: float32 (2 * buckets, hidden), the embeddings of the distances.
        """
        self._shape = (config.heads, config.head_size)

        def of_distances(weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
            return functional.linear(distances, weight.to(placement.device), bias.to(placement.device))

        query, key, value = (
            weights.linear(f"{name}.{part}", config.hidden, config.hidden)
            for part in (DEBERTA.query, DEBERTA.key, DEBERTA.value)
        )
        self._distances = Distances.of(of_distances(*query), of_distances(*key), config.heads, placement)
        # Not a normalised_linear: a query's and a key's rounding to int8 would enter a score twice each.
        self._query = placement.linear(*query)
        self._key_value = placement.linear(torch.cat([key[0], value[0]]), torch.cat([key[1], value[1]]))
        self._feed_forward = FeedForward(
            weights,
            name,
            DEBERTA,
            placement,
            hidden=config.hidden,
            inner=config.intermediate,
            epsilon=config.epsilon,
            activation=config.activation,
        )

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
    """Token sequences to hidden states: see Encoder."""

    def __init__(self, weights: Weights, config: DebertaConfig, placement: Placement, *, first_tokens: bool) -> None:
        device, hidden = placement.device, config.hidden
        self._first_tokens = first_tokens
        self._embeddings = InputEmbeddings(
            weights,
            placement,
            vocabulary=config.vocabulary,
            positions=config.positions,
            segments=config.segments,
            width=hidden,
            epsilon=config.epsilon,
        )
        norm_distances = placement.exact_norm(*weights.norm("encoder.LayerNorm", hidden), config.epsilon)
        distances = weights.get("encoder.rel_embeddings.weight", 2 * config.buckets, hidden).to(device)
        distances = norm_distances(distances)
        names = [f"{DEBERTA.layers}.{number}" for number in range(config.layers)]
        self._layers = [Layer(weights, name, config, placement, distances) for name in names]
        self._attend = Disentangled(config.max_tokens, config.buckets, config.farthest, config.head_size, placement)

    @property
    def by_shape_alone(self) -> bool:
        """See Encoder."""
        return self._attend.by_shape_alone

    def positions(self, sequences: Sequences) -> NDArray[np.int64]:
        """Place of each token in its sequence: int64 (tokens,)."""
        return sequences.places

    def __call__(self, step: Packed) -> torch.Tensor:
        """Hidden states of the last layer: (tokens, hidden), or (sequences, hidden) where first tokens are wanted."""
        attend = self._attend(step)
        x = self._embeddings(step)
        for layer in self._layers[:-1]:
            x = layer(x, attend)
        if not self._first_tokens:
            return self._layers[-1](x, attend)
        return self._layers[-1](x, self._attend(step, first_tokens=True), step.starts)
