"""The packed forward pass of GTE: rotary positions, a gated feed-forward, norms behind each block."""

import numpy as np
import torch
from numpy.typing import NDArray

from serve_app.domain.sequences import Sequences
from serve_app.engine.layers.attention import Attention, attention
from serve_app.engine.layers.packed import Packed
from serve_app.engine.layers.placement import Placement
from serve_app.engine.layers.rotation import Rotation
from serve_app.engine.models.bert.encoder import InputEmbeddings
from serve_app.engine.models.gte.config import GteConfig
from serve_app.engine.models.gte.tensors import layer_tensors
from serve_app.engine.weights import Weights


class Layer:
    """One layer: attention and feed-forward, each added to its input and normalised."""

    def __init__(self, weights: Weights, index: int, config: GteConfig, placement: Placement) -> None:
        self._shape = (config.heads, config.head_size)
        read, name = layer_tensors(weights, index, config), f"layer.{index}"
        query, key, value = read.query_key_value
        self._query = placement.normalised_linear(f"{name}.attention", *query)
        weight, bias = (torch.cat(pair) for pair in zip(key, value, strict=True))
        self._key_value = placement.normalised_linear(f"{name}.attention", weight, bias)
        self._attended = placement.linear(*read.attended)
        self._norm_attention = placement.norm(*read.norm_attention, config.epsilon)
        no_bias = torch.zeros(config.intermediate)
        self._gate = placement.normalised_linear(f"{name}.mlp", read.gate, no_bias, config.activation)
        self._up = placement.normalised_linear(f"{name}.mlp", read.up, no_bias)
        self._down = placement.linear(*read.down)
        self._norm_output = placement.norm(*read.norm_output, config.epsilon)

    def __call__(
        self, x: torch.Tensor, attend: Attention, rotate: Rotation, rows: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Hidden states behind this layer.

        x: (tokens, hidden). rows: int32 (rows,), the tokens whose states are wanted; None for all.
        Returns (rows, hidden).
        """
        asking = x if rows is None else x.index_select(0, rows)
        query = self._query(asking).view(-1, *self._shape)
        key, value = self._key_value(x).view(-1, 2, *self._shape).unbind(1)
        y = self._norm_attention(self._attended.add_to(asking, attend(rotate(query, rows), rotate(key), value)))
        return self._norm_output(self._down.add_to(y, self._gate(y).mul_(self._up(y))))


class GteEncoder:
    """Token sequences to hidden states: see Encoder."""

    by_shape_alone = True

    def __init__(self, weights: Weights, config: GteConfig, placement: Placement, *, first_tokens: bool) -> None:
        self._config, self._placement, self._first_tokens = config, placement, first_tokens
        self._embeddings = InputEmbeddings(
            weights,
            placement,
            vocabulary=config.vocabulary,
            positions=0,
            segments=config.segments,
            width=config.hidden,
            epsilon=config.epsilon,
        )
        self._layers = [Layer(weights, index, config, placement) for index in range(config.layers)]

    def positions(self, sequences: Sequences) -> NDArray[np.int64]:
        """Place of each token in its sequence: int64 (tokens,)."""
        return sequences.places

    def __call__(self, step: Packed) -> torch.Tensor:
        """Hidden states of the last layer: (tokens, hidden), or (sequences, hidden) where first tokens are wanted."""
        waves = self._config.waves
        rotate = Rotation(step.positions, waves.theta, self._config.head_size, waves.stretch)
        attend = attention(step, self._placement)
        x = self._embeddings(step)
        for layer in self._layers[:-1]:
            x = layer(x, attend, rotate)
        if not self._first_tokens:
            return self._layers[-1](x, attend, rotate)
        return self._layers[-1](x, attention(step, self._placement, first_tokens=True), rotate, step.starts)
