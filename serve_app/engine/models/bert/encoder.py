"""The packed forward pass of BERT, RoBERTa and XLM-R: sequences end to end, no padding anywhere."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from serve_app.domain.sequences import Sequences
from serve_app.engine.layers.attention import Attention, attention
from serve_app.engine.layers.feed_forward import FeedForward
from serve_app.engine.layers.linear import Linear
from serve_app.engine.layers.packed import Packed
from serve_app.engine.layers.placement import Placement
from serve_app.engine.models.bert.config import BertConfig
from serve_app.engine.weights import Weights


class Layer:
    """One transformer layer: attention and feed-forward, each added to its input and normalised."""

    def __init__(self, weights: Weights, name: str, config: BertConfig, placement: Placement) -> None:
        self._shape = (3, config.heads, config.head_size)
        self._query_key_value = projection(weights, name, ("query", "key", "value"), config, placement)
        self._feed_forward = feed_forward(weights, name, config, placement)

    def __call__(self, x: torch.Tensor, attend: Attention) -> torch.Tensor:
        """Hidden states behind this layer: (tokens, hidden) -> (tokens, hidden)."""
        query, key, value = self._query_key_value(x).view(-1, *self._shape).unbind(1)
        return self._feed_forward(x, attend(query, key, value))


class RowsLayer:
    """A last layer of which only some rows are wanted: nothing is computed for the others but keys and values."""

    def __init__(self, weights: Weights, name: str, config: BertConfig, placement: Placement) -> None:
        self._shape = (config.heads, config.head_size)
        self._query = projection(weights, name, ("query",), config, placement)
        self._key_value = projection(weights, name, ("key", "value"), config, placement)
        self._feed_forward = feed_forward(weights, name, config, placement)

    def __call__(self, x: torch.Tensor, attend: Attention, rows: torch.Tensor) -> torch.Tensor:
        """Hidden states behind this layer: x (tokens, hidden), rows int32 (rows,) -> (rows, hidden)."""
        asking = x.index_select(0, rows)
        query = self._query(asking).view(-1, *self._shape)
        key, value = self._key_value(x).view(-1, 2, *self._shape).unbind(1)
        return self._feed_forward(asking, attend(query, key, value))


def projection(weights: Weights, name: str, parts: tuple[str, ...], config: BertConfig, placement: Placement) -> Linear:
    """Some of a layer's queries, keys and values in one product: (tokens, hidden) -> (tokens, parts * hidden)."""
    read = [weights.linear(f"{name}.attention.self.{part}", config.hidden, config.hidden) for part in parts]
    weight, bias = (torch.cat(tensors) for tensors in zip(*read, strict=True))
    return placement.normalised_linear(f"{name}.attention", weight, bias)


def feed_forward(weights: Weights, name: str, config: BertConfig, placement: Placement) -> FeedForward:
    """What follows a layer's attention."""
    return FeedForward(
        weights, name, placement, hidden=config.hidden, inner=config.intermediate, epsilon=config.epsilon
    )


class InputEmbeddings:
    """Token ids to the first layer's input: word, position and segment, added and normalised.

    The tables, most of a multilingual model, are float32 in every precision. So they stay the mapped file: only rows
    that are read take memory, and all replicas of a node share them.
    """

    def __init__(self, weights: Weights, config: BertConfig, placement: Placement) -> None:
        def read(name: str, rows: int) -> torch.Tensor:
            return weights.get(f"embeddings.{name}_embeddings.weight", rows, config.hidden).to(placement.device)

        self._config, self._dtype = config, placement.dtype
        self._words = read("word", config.vocabulary)
        self._positions = read("position", config.positions)
        self._segments = read("token_type", config.segments)
        self._norm = placement.exact_norm(*weights.norm("embeddings.LayerNorm", config.hidden), config.epsilon)

    def __call__(self, step: Packed) -> torch.Tensor:
        """Input of the first layer: (tokens, hidden), in the layers' precision."""
        x = functional.embedding(step.token_ids, self._words)
        x += functional.embedding(step.positions, self._positions)
        if self._config.segments > 1:
            x += functional.embedding(step.segments, self._segments)
        else:
            x += self._segments[0]
        return self._norm(x).to(self._dtype)

    def positions(self, sequences: Sequences) -> NDArray[np.int64]:
        """Row of each token in the table of positions: int64 (tokens,)."""
        if self._config.family == "bert":
            return sequences.places
        # RoBERTa does not count padding tokens, and a text may contain one ("<pad>"). Source: transformers'
        # create_position_ids_from_input_ids.
        counts = sequences.token_ids != self._config.pad_id
        seen = np.cumsum(counts)
        before = (seen - counts)[sequences.starts]
        positions: NDArray[np.int64] = self._config.pad_id + (seen - np.repeat(before, sequences.lengths)) * counts
        return positions


class BertEncoder:
    """Token sequences to hidden states: see Encoder."""

    by_shape_alone = True

    def __init__(self, weights: Weights, config: BertConfig, placement: Placement, *, first_tokens: bool) -> None:
        self._placement = placement
        self._embeddings = InputEmbeddings(weights, config, placement)
        self.positions = self._embeddings.positions
        names = [f"encoder.layer.{number}" for number in range(config.layers)]
        whole = names[:-1] if first_tokens else names
        self._layers = [Layer(weights, name, config, placement) for name in whole]
        self._last = RowsLayer(weights, names[-1], config, placement) if first_tokens else None

    def __call__(self, step: Packed) -> torch.Tensor:
        """Hidden states of the last layer: (tokens, hidden), or (sequences, hidden) where first tokens are wanted."""
        attend = attention(step, self._placement)
        x = self._embeddings(step)
        for layer in self._layers:
            x = layer(x, attend)
        if self._last is None:
            return x
        return self._last(x, attention(step, self._placement, first_tokens=True), step.starts)


class BertClassificationHead:
    """A cross-encoder's relevance: dense, tanh and one output over the first token.

    RoBERTa has all of it in its classifier; BERT's dense layer is its pooler.
    """

    first_tokens = True

    def __init__(self, weights: Weights, config: BertConfig, placement: Placement) -> None:
        names = {"bert": ("pooler.dense", "classifier"), "roberta": ("classifier.dense", "classifier.out_proj")}
        dense, out = names[config.family]
        self._dense = placement.exact_linear(*weights.linear(dense, config.hidden, config.hidden))
        self._out = placement.exact_linear(*weights.linear(out, 1, config.hidden))

    def __call__(self, states: torch.Tensor, step: Packed) -> torch.Tensor:  # noqa: ARG002
        """One logit a sequence: float32 (sequences, 1)."""
        return self._out(torch.tanh(self._dense(states.float())))
