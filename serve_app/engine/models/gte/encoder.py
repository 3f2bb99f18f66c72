"""The packed forward pass of GTE: rotary positions, a gated feed-forward, norms behind each block."""

import numpy as np
import torch
from numpy.typing import NDArray

from serve_app.domain.sequences import Sequences
from serve_app.engine.layers.attention import Attention, SelfAttention
from serve_app.engine.layers.packed import Packed
from serve_app.engine.layers.placement import Placement
from serve_app.engine.layers.rotation import Rotary, Rotation
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
        query, key = (placement.turning(each, config.head_size) for each in (query, key))
        self._query = placement.normalised_linear(f"{name}.attention", *query)
        weight, bias = (torch.cat(pair) for pair in zip(key, value, strict=True))
        self._key_value = placement.normalised_linear(f"{name}.attention", weight, bias)
        self._attention_end = placement.block_end(read.attended, read.norm_attention, config.epsilon)
        no_bias = torch.zeros(config.intermediate)
        gate, up = (read.gate, no_bias), (read.up, no_bias)
        self._up = placement.gated_up(f"{name}.mlp", gate, up, config.activation)
        self._output_end = placement.block_end(read.down, read.norm_output, config.epsilon)

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
        y = self._attention_end(asking, attend(*rotate(query, key, rows), value))
        return self._output_end(y, self._up(y))


class GteEncoder:
    """Token sequences to hidden states: see Encoder."""

    def __init__(self, weights: Weights, config: GteConfig, placement: Placement, *, first_tokens: bool) -> None:
        self._first_tokens, self._attend = first_tokens, SelfAttention(config.head_size, placement)
        self._embeddings = InputEmbeddings(
            weights,
            placement,
            vocabulary=config.vocabulary,
            positions=0,
            segments=config.segments,
            width=config.hidden,
            epsilon=config.epsilon,
        )
        self._rotary = Rotary(config.waves.theta, config.head_size, placement, config.waves.stretch)
        self._layers = [Layer(weights, index, config, placement) for index in range(config.layers)]

    @property
    def by_shape_alone(self) -> bool:
        """See Encoder."""
        return self._attend.by_shape_alone

    def positions(self, sequences: Sequences) -> NDArray[np.int64]:
        """Place of each token in its sequence: int64 (tokens,)."""
        return sequences.places

    def __call__(self, step: Packed) -> torch.Tensor:
        """Hidden states of the last layer: (tokens, hidden), or (sequences, hidden) where first tokens are wanted."""
        rotate = self._rotary(step.positions)
        attend = self._attend(step)
        x = self._embeddings(step)
        for layer in self._layers[:-1]:
            x = layer(x, attend, rotate)
        if not self._first_tokens:
            return self._layers[-1](x, attend, rotate)
        return self._layers[-1](x, self._attend(step, first_tokens=True), rotate, step.starts)
