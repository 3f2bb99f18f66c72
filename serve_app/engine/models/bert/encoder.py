"""The packed forward pass of BERT and its closest relatives: sequences end to end, no padding anywhere."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from serve_app.domain.sequences import Sequences
from serve_app.engine.layers.attention import Attention, SelfAttention, StepAttention
from serve_app.engine.layers.embedding import Tables
from serve_app.engine.layers.feed_forward import FeedForward
from serve_app.engine.layers.linear import Linear
from serve_app.engine.layers.packed import Packed
from serve_app.engine.layers.placement import Placement
from serve_app.engine.models.bert.config import BertConfig
from serve_app.engine.weights import Weights


class Layer:
    """One transformer layer: attention and feed-forward, each added to its input and normalised."""

    def __init__(self, weights: Weights, name: str, config: BertConfig, placement: Placement) -> None:
        named = config.variant.names
        self._shape = (3, config.heads, config.head_size)
        self._query_key_value = projection(weights, name, (named.query, named.key, named.value), config, placement)
        self._feed_forward = feed_forward(weights, name, config, placement)

    def __call__(self, x: torch.Tensor, attend: Attention) -> torch.Tensor:
        """Hidden states behind this layer: (tokens, hidden) -> (tokens, hidden)."""
        query, key, value = self._query_key_value(x).view(-1, *self._shape).unbind(1)
        return self._feed_forward(x, attend(query, key, value))


class RowsLayer:
    """A last layer of which only some rows are wanted: nothing is computed for the others but keys and values."""

    def __init__(self, weights: Weights, name: str, config: BertConfig, placement: Placement) -> None:
        named = config.variant.names
        self._shape = (config.heads, config.head_size)
        self._query = projection(weights, name, (named.query,), config, placement)
        self._key_value = projection(weights, name, (named.key, named.value), config, placement)
        self._feed_forward = feed_forward(weights, name, config, placement)

    def __call__(self, x: torch.Tensor, attend: Attention, rows: torch.Tensor) -> torch.Tensor:
        """Hidden states behind this layer: x (tokens, hidden), rows int32 (rows,) -> (rows, hidden)."""
        asking = x.index_select(0, rows)
        query = self._query(asking).view(-1, *self._shape)
        key, value = self._key_value(x).view(-1, 2, *self._shape).unbind(1)
        return self._feed_forward(asking, attend(query, key, value))


def projection(weights: Weights, name: str, parts: tuple[str, ...], config: BertConfig, placement: Placement) -> Linear:
    """Some of a layer's queries, keys and values in one product: (tokens, hidden) -> (tokens, parts * hidden)."""
    read = [weights.linear(f"{name}.{part}", config.hidden, config.hidden) for part in parts]
    weight, bias = (torch.cat(tensors) for tensors in zip(*read, strict=True))
    return placement.normalised_linear(f"{name}.attention", weight, bias)


def feed_forward(weights: Weights, name: str, config: BertConfig, placement: Placement) -> FeedForward:
    """What follows a layer's attention."""
    return FeedForward(
        weights,
        name,
        config.variant.names,
        placement,
        hidden=config.hidden,
        inner=config.intermediate,
        epsilon=config.epsilon,
        activation=config.activation,
    )


class InputEmbeddings:
    """Token ids to the first layer's input: word, position and segment, added and normalised.

    The tables, most of a multilingual model, are float32 in every precision. So they stay the mapped file: only rows
    that are read take memory, and all replicas of a node share them.
    """

    def __init__(
        self,
        weights: Weights,
        placement: Placement,
        *,
        vocabulary: int,
        positions: int,
        segments: int,
        width: int,
        epsilon: float,
    ) -> None:
        """Read the tables. vocabulary, positions, segments: their rows, 0 for no table. width: of a row."""

        def read(name: str, rows: int) -> torch.Tensor:
            return weights.get(f"embeddings.{name}_embeddings.weight", rows, width).to(placement.device)

        tables = Tables(
            read("word", vocabulary),
            read("position", positions) if positions else None,
            read("token_type", segments) if segments else None,
        )
        self._embed = placement.embed(tables, weights.norm("embeddings.LayerNorm", width), epsilon)

    def __call__(self, step: Packed) -> torch.Tensor:
        """Input of the first layer: (tokens, width), in the layers' precision."""
        return self._embed(step)


class BertEncoder:
    """Token sequences to hidden states: see Encoder."""

    def __init__(
        self,
        weights: Weights,
        config: BertConfig,
        placement: Placement,
        *,
        first_tokens: bool,
        attend: StepAttention | None = None,
    ) -> None:
        """Read the weights. attend: makes the attention of each step; None for that of tokens alone."""
        self._attend, self._uncounted = attend or SelfAttention(config.head_size, placement), config.uncounted
        self._embeddings = InputEmbeddings(
            weights,
            placement,
            vocabulary=config.vocabulary,
            positions=config.positions,
            segments=config.segments,
            width=config.embedding,
            epsilon=config.epsilon,
        )
        self._project: Callable[[torch.Tensor], torch.Tensor] | None = None
        if config.embedding != config.hidden:
            self._project = placement.linear(*weights.linear("embeddings_project", config.hidden, config.embedding))
        names = [f"{config.variant.names.layers}.{number}" for number in range(config.layers)]
        whole = names[:-1] if first_tokens else names
        self._layers = [Layer(weights, name, config, placement) for name in whole]
        self._last = RowsLayer(weights, names[-1], config, placement) if first_tokens else None

    @property
    def by_shape_alone(self) -> bool:
        """See Encoder."""
        return self._attend.by_shape_alone

    def positions(self, sequences: Sequences) -> NDArray[np.int64]:
        """Row of each token in the table of positions: int64 (tokens,)."""
        if self._uncounted is None:
            return sequences.places
        # RoBERTa does not count padding tokens, and a text may contain one ("<pad>"). Source: transformers'
        # create_position_ids_from_input_ids.
        counts = sequences.token_ids != self._uncounted
        seen = np.cumsum(counts)
        before = np.concatenate([[0], seen])[sequences.starts]
        positions: NDArray[np.int64] = self._uncounted + (seen - np.repeat(before, sequences.lengths)) * counts
        return positions

    def __call__(self, step: Packed) -> torch.Tensor:
        """Hidden states of the last layer: (tokens, hidden), or (sequences, hidden) where first tokens are wanted."""
        attend = self._attend(step)
        x = self._embeddings(step)
        if self._project is not None:
            x = self._project(x)
        for layer in self._layers:
            x = layer(x, attend)
        if self._last is None:
            return x
        return self._last(x, self._attend(step, first_tokens=True), step.starts)
