"""The packed forward pass of ModernBERT: rotary positions, local layers, a gated feed-forward, norms ahead."""

import numpy as np
import torch
from numpy.typing import NDArray

from serve_app.domain.sequences import Sequences
from serve_app.engine.layers.attention import Attention, SelfAttention
from serve_app.engine.layers.block import BlockEnd
from serve_app.engine.layers.embedding import Tables
from serve_app.engine.layers.packed import Packed
from serve_app.engine.layers.placement import Placement, Product
from serve_app.engine.layers.pooling import pooled
from serve_app.engine.layers.rotation import Rotary, Rotation
from serve_app.engine.models.config import States
from serve_app.engine.models.modernbert.config import ModernBertConfig
from serve_app.engine.weights import Weights


class Layer:
    """One layer: attention and feed-forward, each computed from its normalised input and added to the input."""

    def __init__(self, weights: Weights, index: int, config: ModernBertConfig, placement: Placement) -> None:
        name, hidden, inner = f"layers.{index}", config.hidden, config.intermediate
        self.reach = config.reaches[index]
        self._shape = (config.heads, config.head_size)

        biased = config.attention_bias
        weight, bias = weights.linear(f"{name}.attn.Wqkv", 3 * hidden, hidden, bias=biased)
        query, key, value = zip(weight.chunk(3), bias.chunk(3), strict=True)
        query, key = (placement.turning(each, config.head_size) for each in (query, key))
        self._query = placement.normalised_linear(f"{name}.attn", *query)
        weight, bias = (torch.cat(pair) for pair in zip(key, value, strict=True))
        self._key_value = placement.normalised_linear(f"{name}.attn", weight, bias)
        attended = weights.linear(f"{name}.attn.Wo", hidden, hidden, bias=biased)
        weight, bias = weights.linear(f"{name}.mlp.Wi", 2 * inner, hidden, bias=config.mlp_bias)
        activated, factor = (weight[:inner], bias[:inner]), (weight[inner:], bias[inner:])
        self._up = placement.gated_up(f"{name}.mlp", activated, factor, config.activation)
        down = weights.linear(f"{name}.mlp.Wo", hidden, inner, bias=config.mlp_bias)

        def block_end(product: Product, norm: str) -> BlockEnd:
            read = weights.norm(norm, hidden, bias=config.norm_bias)
            return placement.block_end(product, read, config.epsilon)

        self._attention_end = block_end(attended, f"{name}.mlp_norm")
        last = index == config.layers - 1
        self._output_end = block_end(down, "final_norm" if last else f"layers.{index + 1}.attn_norm")

    def __call__(
        self,
        x: torch.Tensor,
        seen: torch.Tensor,
        attend: Attention,
        rotate: Rotation,
        rows: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Hidden states behind this layer, and the same as the next layer's norm, or the model's last, gives them.

        x, seen: (tokens, hidden), the same of the layer before. rows: int32 (rows,), the tokens whose states are
        wanted; None for all. Returns (rows, hidden) twice.
        """
        x, asking = (x, seen) if rows is None else (x.index_select(0, rows), seen.index_select(0, rows))
        query = self._query(asking).view(-1, *self._shape)
        key, value = self._key_value(seen).view(-1, 2, *self._shape).unbind(1)
        y, z = self._attention_end.with_sum(x, attend(*rotate(query, key, rows), value))
        return self._output_end.with_sum(y, self._up(z))


class ModernBertEncoder:
    """Token sequences to hidden states: see Encoder."""

    def __init__(self, weights: Weights, config: ModernBertConfig, placement: Placement, *, first_tokens: bool) -> None:
        hidden, bias = config.hidden, config.norm_bias
        self._first_tokens = first_tokens
        self._attend = SelfAttention(config.head_size, placement)
        # In float32, so that the table stays the mapped file: see BERT's.
        words = weights.get("embeddings.tok_embeddings.weight", config.vocabulary, hidden).to(placement.device)
        self._embed = placement.embed(Tables(words), weights.norm("embeddings.norm", hidden, bias=bias), config.epsilon)
        self._rotary = {
            reach: Rotary(reach.theta, config.head_size, placement) for reach in dict.fromkeys(config.reaches)
        }
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
        by_reach = {
            reach: (
                self._attend(step, reach.window),
                rotary(step.positions),
            )
            for reach, rotary in self._rotary.items()
        }
        # The first layer's input comes from a norm already.
        x = seen = self._embed(step)
        for layer in self._layers[:-1]:
            x, seen = layer(x, seen, *by_reach[layer.reach])
        last = self._layers[-1]
        attend, rotate = by_reach[last.reach]
        if not self._first_tokens:
            return last(x, seen, attend, rotate)[1]
        if last.reach.window is not None:
            return last(x, seen, attend, rotate)[1].index_select(0, step.starts)
        first = self._attend(step, first_tokens=True)
        return last(x, seen, first, rotate, step.starts)[1]


class ModernBertClassificationHead:
    """A cross-encoder's relevance: dense, activation, norm and one output, over the first token or the mean of all."""

    def __init__(self, weights: Weights, config: ModernBertConfig, placement: Placement) -> None:
        self.states: States = "first" if config.classifier_pooling == "cls" else "all"
        hidden = config.hidden
        dense = weights.linear("head.dense", hidden, hidden, bias=config.classifier_bias)
        self._dense = placement.exact_linear(*dense, config.classifier_activation)
        norm = weights.norm("head.norm", hidden, bias=config.norm_bias)
        self._norm = placement.exact_norm(*norm, config.epsilon)
        self._out = placement.exact_linear(*weights.linear("classifier", 1, hidden))

    def __call__(self, states: torch.Tensor, step: Packed) -> torch.Tensor:
        """One logit a sequence: float32 (sequences, 1)."""
        read = states.float() if self.states == "first" else pooled(states, step, ("mean",))
        return self._out(self._norm(self._dense(read)))
