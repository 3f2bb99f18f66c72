"""The packed forward pass of BERT, RoBERTa and XLM-R: sequences end to end, no padding anywhere."""

from dataclasses import dataclass

import torch
from torch.nn import functional

from serve_app.engine.attention import Attention, attention
from serve_app.engine.config import EncoderConfig
from serve_app.engine.linear import linear
from serve_app.engine.sequences import Sequences
from serve_app.engine.weights import Weights


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and how a model computes."""

    device: torch.device
    dtype: torch.dtype

    def move(self, tensor: torch.Tensor) -> torch.Tensor:
        """The tensor on the device, in the precision that the model computes in."""
        return tensor.to(self.device, self.dtype)


class LayerNorm:
    """Layer normalisation of the sum of a layer's input and output."""

    def __init__(
        self, weights: Weights, name: str, config: EncoderConfig, device: torch.device, dtype: torch.dtype
    ) -> None:
        self._shape, self._epsilon = (config.hidden,), config.epsilon
        self._weight = weights.get(f"{name}.weight", config.hidden).to(device, dtype)
        self._bias = weights.get(f"{name}.bias", config.hidden).to(device, dtype)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return functional.layer_norm(x, self._shape, self._weight, self._bias, self._epsilon)


class Layer:
    """One transformer layer: attention and feed-forward, each added to its input and normalised."""

    def __init__(self, weights: Weights, name: str, config: EncoderConfig, placement: Placement) -> None:
        hidden, inner = config.hidden, config.intermediate
        self._shape = (config.heads, config.head_size)

        def read(part: str, outputs: int, inputs: int) -> tuple[torch.Tensor, torch.Tensor]:
            weight = weights.get(f"{name}.{part}.weight", outputs, inputs)
            return placement.move(weight), placement.move(weights.get(f"{name}.{part}.bias", outputs))

        key, value = read("attention.self.key", hidden, hidden), read("attention.self.value", hidden, hidden)
        self._query = linear(*read("attention.self.query", hidden, hidden))
        self._key_value = linear(torch.cat([key[0], value[0]]), torch.cat([key[1], value[1]]))
        self._attended = linear(*read("attention.output.dense", hidden, hidden))
        self._up = linear(*read("intermediate.dense", inner, hidden), "gelu")
        self._down = linear(*read("output.dense", hidden, inner))
        device, dtype = placement.device, placement.dtype
        self._norm_attention = LayerNorm(weights, f"{name}.attention.output.LayerNorm", config, device, dtype)
        self._norm_output = LayerNorm(weights, f"{name}.output.LayerNorm", config, device, dtype)

    def __call__(self, x: torch.Tensor, attend: Attention, rows: torch.Tensor | None = None) -> torch.Tensor:
        """Hidden states behind this layer.

        x: (tokens, hidden). rows: int64 (rows,), the tokens whose states are wanted; None for all.
        Returns (rows, hidden).
        """
        asking = x if rows is None else x[rows]
        query = self._query(asking).view(-1, *self._shape)
        key, value = self._key_value(x).view(-1, 2, *self._shape).unbind(1)
        y = self._norm_attention(self._attended.add_to(asking, attend(query, key, value)))
        return self._norm_output(self._down.add_to(y, self._up(y)))


class Embeddings:
    """Token ids to the first layer's input: word, position and segment, added and normalised.

    In float32 whatever the layers compute in: the tables, most of a multilingual model, then stay the mapped file, of
    which only the rows that are read take memory, and which all replicas of a node share.
    """

    def __init__(self, weights: Weights, config: EncoderConfig, placement: Placement) -> None:
        def read(name: str, rows: int) -> torch.Tensor:
            return weights.get(f"embeddings.{name}_embeddings.weight", rows, config.hidden).to(placement.device)

        self._config, self._device, self._dtype = config, placement.device, placement.dtype
        self._words = read("word", config.vocabulary)
        self._positions = read("position", config.positions)
        self._segments = read("token_type", config.segments)
        self._norm = LayerNorm(weights, "embeddings.LayerNorm", config, placement.device, torch.float32)

    def __call__(self, sequences: Sequences) -> torch.Tensor:
        """Input of the first layer: (tokens, hidden), in the layers' precision."""
        ids = torch.from_numpy(sequences.token_ids).to(self._device)
        lengths = torch.from_numpy(sequences.lengths).to(self._device)
        starts = lengths.cumsum(0) - lengths
        place = torch.arange(ids.numel(), device=self._device) - starts.repeat_interleave(lengths)
        x = functional.embedding(ids, self._words)
        x += functional.embedding(self._position_ids(ids, starts, lengths, place), self._positions)
        if self._config.segments > 1:
            first = torch.from_numpy(sequences.first_segments).to(self._device)
            x += functional.embedding((place >= first.repeat_interleave(lengths)).int(), self._segments)
        else:
            x += self._segments[0]
        return self._norm(x).to(self._dtype)

    def _position_ids(
        self, ids: torch.Tensor, starts: torch.Tensor, lengths: torch.Tensor, place: torch.Tensor
    ) -> torch.Tensor:
        if self._config.family == "bert":
            return place
        # RoBERTa does not count a padding token, and text may spell one ("<pad>"): transformers'
        # create_position_ids_from_input_ids.
        counts = ids != self._config.pad_id
        seen = counts.cumsum(0)
        before = (seen - counts.long())[starts]
        return self._config.pad_id + (seen - before.repeat_interleave(lengths)) * counts


class Encoder:
    """Token sequences to hidden states."""

    def __init__(self, weights: Weights, config: EncoderConfig, placement: Placement) -> None:
        self._placement = placement
        self._embeddings = Embeddings(weights, config, placement)
        self._layers = [Layer(weights, f"encoder.layer.{i}", config, placement) for i in range(config.layers)]

    def __call__(self, sequences: Sequences, *, first_tokens: bool) -> torch.Tensor:
        """Hidden states of the last layer.

        first_tokens: only each sequence's first token is wanted, (sequences, hidden); the last layer then computes
        queries and feed-forward for those rows alone. Otherwise (tokens, hidden).
        """
        lengths = sequences.lengths.tolist()
        device, dtype = self._placement.device, self._placement.dtype
        attend = attention(lengths, lengths, device, dtype)
        x = self._embeddings(sequences)
        for layer in self._layers[:-1]:
            x = layer(x, attend)
        if not first_tokens:
            return self._layers[-1](x, attend)
        ends = torch.from_numpy(sequences.lengths).cumsum(0)
        rows = (ends - torch.from_numpy(sequences.lengths)).to(device)
        return self._layers[-1](x, attention(lengths, [1] * len(lengths), device, dtype), rows)
