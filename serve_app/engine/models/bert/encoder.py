"""The packed forward pass of BERT, RoBERTa and XLM-R: sequences end to end, no padding anywhere."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from serve_app.domain.sequences import Sequences
from serve_app.engine.layers.attention import Attention, attention
from serve_app.engine.layers.linear import Linear
from serve_app.engine.layers.packed import Packed
from serve_app.engine.layers.placement import Placement
from serve_app.engine.models.families import BertConfig, EncoderConfig
from serve_app.engine.weights import Weights


class LayerNorm:
    """Layer normalisation. bias: whether it has one."""

    def __init__(
        self,
        weights: Weights,
        name: str,
        config: EncoderConfig,
        device: torch.device,
        dtype: torch.dtype,
        *,
        bias: bool = True,
    ) -> None:
        self._shape, self._epsilon = (config.hidden,), config.epsilon
        self._weight = weights.get(f"{name}.weight", config.hidden).to(device, dtype)
        self._bias = weights.get(f"{name}.bias", config.hidden).to(device, dtype) if bias else None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return functional.layer_norm(x, self._shape, self._weight, self._bias, self._epsilon)


class Layer:
    """One transformer layer: attention and feed-forward, each added to its input and normalised."""

    def __init__(self, weights: Weights, name: str, config: EncoderConfig, placement: Placement) -> None:
        self._shape = (3, config.heads, config.head_size)
        self._query_key_value = projection(weights, name, ("query", "key", "value"), config, placement)
        self._feed_forward = FeedForward(weights, name, config, placement)

    def __call__(self, x: torch.Tensor, attend: Attention) -> torch.Tensor:
        """Hidden states behind this layer: (tokens, hidden) -> (tokens, hidden)."""
        query, key, value = self._query_key_value(x).view(-1, *self._shape).unbind(1)
        return self._feed_forward(x, attend(query, key, value))


class RowsLayer:
    """A last layer of which few rows are read: only those ask, and only those go on behind the attention."""

    def __init__(self, weights: Weights, name: str, config: EncoderConfig, placement: Placement) -> None:
        self._shape = (config.heads, config.head_size)
        self._query = projection(weights, name, ("query",), config, placement)
        self._key_value = projection(weights, name, ("key", "value"), config, placement)
        self._feed_forward = FeedForward(weights, name, config, placement)

    def __call__(self, x: torch.Tensor, attend: Attention, rows: torch.Tensor) -> torch.Tensor:
        """Hidden states behind this layer: x (tokens, hidden), rows int32 (rows,) -> (rows, hidden)."""
        asking = x.index_select(0, rows)
        query = self._query(asking).view(-1, *self._shape)
        key, value = self._key_value(x).view(-1, 2, *self._shape).unbind(1)
        return self._feed_forward(asking, attend(query, key, value))


class FeedForward:
    """What follows a layer's attention."""

    def __init__(self, weights: Weights, name: str, config: EncoderConfig, placement: Placement) -> None:
        hidden, inner = config.hidden, config.intermediate
        self._attended = placement.linear(*weights.linear(f"{name}.attention.output.dense", hidden, hidden))
        up = weights.linear(f"{name}.intermediate.dense", inner, hidden)
        self._up = placement.normalised_linear(f"{name}.intermediate", *up, "gelu")
        self._down = placement.linear(*weights.linear(f"{name}.output.dense", hidden, inner))
        device, dtype = placement.device, placement.dtype
        self._norm_attention = LayerNorm(weights, f"{name}.attention.output.LayerNorm", config, device, dtype)
        self._norm_output = LayerNorm(weights, f"{name}.output.LayerNorm", config, device, dtype)

    def __call__(self, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        """x: the layer's input, attended: what its attention gave; each (rows, hidden), as the result."""
        y = self._norm_attention(self._attended.add_to(x, attended))
        return self._norm_output(self._down.add_to(y, self._up(y)))


def projection(
    weights: Weights, name: str, parts: tuple[str, ...], config: EncoderConfig, placement: Placement
) -> Linear:
    """Queries, keys or values of a layer in one product: (tokens, hidden) -> (tokens, parts * hidden)."""
    read = [weights.linear(f"{name}.attention.self.{part}", config.hidden, config.hidden) for part in parts]
    weight, bias = (torch.cat(tensors) for tensors in zip(*read, strict=True))
    return placement.normalised_linear(f"{name}.attention", weight, bias)


class Embeddings:
    """Token ids to the first layer's input: word, position and segment, added and normalised.

    In float32 whatever the layers compute in: the tables, most of a multilingual model, then stay the mapped file, of
    which only the rows that are read take memory, and which all replicas of a node share.
    """

    def __init__(self, weights: Weights, config: BertConfig, placement: Placement) -> None:
        def read(name: str, rows: int) -> torch.Tensor:
            return weights.get(f"embeddings.{name}_embeddings.weight", rows, config.hidden).to(placement.device)

        self._config, self._dtype = config, placement.dtype
        self._words = read("word", config.vocabulary)
        self._positions = read("position", config.positions)
        self._segments = read("token_type", config.segments)
        self._norm = LayerNorm(weights, "embeddings.LayerNorm", config, placement.device, torch.float32)

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
        # RoBERTa does not count a padding token, and text may spell one ("<pad>"): transformers'
        # create_position_ids_from_input_ids.
        counts = sequences.token_ids != self._config.pad_id
        seen = np.cumsum(counts)
        before = (seen - counts)[sequences.starts]
        positions: NDArray[np.int64] = self._config.pad_id + (seen - np.repeat(before, sequences.lengths)) * counts
        return positions


class BertEncoder:
    """Token sequences to hidden states.

    first_tokens: whether only each sequence's first token is wanted of the last layer.
    """

    by_shape_alone = True

    def __init__(self, weights: Weights, config: BertConfig, placement: Placement, *, first_tokens: bool) -> None:
        self._placement = placement
        self._embeddings = Embeddings(weights, config, placement)
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
