"""The packed forward pass of ModernBERT: rotary positions, local layers, a gated feed-forward, norms ahead."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from serve_app.domain.sequences import Sequences
from serve_app.engine.layers.attention import Attention, attention
from serve_app.engine.layers.norm import LayerNorm
from serve_app.engine.layers.packed import Packed
from serve_app.engine.layers.placement import Placement
from serve_app.engine.layers.pooling import pooled
from serve_app.engine.layers.rotation import Rotation
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
        self._query = placement.normalised_linear(f"{name}.attn", weight[:hidden], bias[:hidden])
        self._key_value = placement.normalised_linear(f"{name}.attn", weight[hidden:], bias[hidden:])
        self._attended = placement.linear(*weights.linear(f"{name}.attn.Wo", hidden, hidden, bias=biased))
        weight, bias = weights.linear(f"{name}.mlp.Wi", 2 * inner, hidden, bias=config.mlp_bias)
        self._up = placement.normalised_linear(f"{name}.mlp", weight[:inner], bias[:inner], config.activation)
        self._gate = placement.normalised_linear(f"{name}.mlp", weight[inner:], bias[inner:])
        self._down = placement.linear(*weights.linear(f"{name}.mlp.Wo", hidden, inner, bias=config.mlp_bias))

        def norm(part: str) -> LayerNorm:
            return placement.norm(*weights.norm(f"{name}.{part}", hidden, bias=config.norm_bias), config.epsilon)

        # The first layer's input comes from a norm already.
        self._norm_attention: Callable[[torch.Tensor], torch.Tensor] = norm("attn_norm") if index else _unchanged
        self._norm_feed_forward = norm("mlp_norm")

    def __call__(
        self, x: torch.Tensor, attend: Attention, rotate: Rotation, rows: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Hidden states behind this layer.

        x: (tokens, hidden). rows: int32 (rows,), the tokens whose states are wanted; None for all.
        Returns (rows, hidden).
        """
        seen = self._norm_attention(x)
        x, asking = (x, seen) if rows is None else (x.index_select(0, rows), seen.index_select(0, rows))
        query = self._query(asking).view(-1, *self._shape)
        key, value = self._key_value(seen).view(-1, 2, *self._shape).unbind(1)
        y = self._attended.add_to(x, attend(rotate(query, rows), rotate(key), value))
        z = self._norm_feed_forward(y)
        return self._down.add_to(y, self._up(z).mul_(self._gate(z)))


class ModernBertEncoder:
    """Token sequences to hidden states: see Encoder."""

    by_shape_alone = True

    def __init__(self, weights: Weights, config: ModernBertConfig, placement: Placement, *, first_tokens: bool) -> None:
        hidden, bias = config.hidden, config.norm_bias
        self._config, self._placement, self._first_tokens = config, placement, first_tokens
        # In float32, so that the table stays the mapped file: see BERT's.
        self._words = weights.get("embeddings.tok_embeddings.weight", config.vocabulary, hidden).to(placement.device)
        self._norm_words = placement.exact_norm(*weights.norm("embeddings.norm", hidden, bias=bias), config.epsilon)
        self._layers = [Layer(weights, index, config, placement) for index in range(config.layers)]
        self._norm = placement.norm(*weights.norm("final_norm", hidden, bias=bias), config.epsilon)

    def positions(self, sequences: Sequences) -> NDArray[np.int64]:
        """Place of each token in its sequence: int64 (tokens,)."""
        return sequences.places

    def __call__(self, step: Packed) -> torch.Tensor:
        """Hidden states of the last layer: (tokens, hidden), or (sequences, hidden) where first tokens are wanted."""
        by_reach = {
            reach: (
                attention(step, self._placement, reach.window),
                Rotation(step.positions, reach.theta, self._config.head_size),
            )
            for reach in set(self._config.reaches)
        }
        words = functional.embedding(step.token_ids, self._words)
        x = self._norm_words(words).to(self._placement.dtype)
        for layer in self._layers[:-1]:
            x = layer(x, *by_reach[layer.reach])
        last = self._layers[-1]
        attend, rotate = by_reach[last.reach]
        if not self._first_tokens:
            return self._norm(last(x, attend, rotate))
        if last.reach.window is not None:
            return self._norm(last(x, attend, rotate).index_select(0, step.starts))
        first = attention(step, self._placement, first_tokens=True)
        return self._norm(last(x, first, rotate, step.starts))


class ModernBertClassificationHead:
    """A cross-encoder's relevance: dense, activation, norm and one output, over the first token or the mean of all."""

    def __init__(self, weights: Weights, config: ModernBertConfig, placement: Placement) -> None:
        self.first_tokens = config.classifier_pooling == "cls"
        hidden = config.hidden
        dense = weights.linear("head.dense", hidden, hidden, bias=config.classifier_bias)
        self._dense = placement.exact_linear(*dense, config.classifier_activation)
        norm = weights.norm("head.norm", hidden, bias=config.norm_bias)
        self._norm = placement.exact_norm(*norm, config.epsilon)
        self._out = placement.exact_linear(*weights.linear("classifier", 1, hidden))

    def __call__(self, states: torch.Tensor, step: Packed) -> torch.Tensor:
        """One logit a sequence: float32 (sequences, 1)."""
        read = states.float() if self.first_tokens else pooled(states, step, ("mean",))
        return self._out(self._norm(self._dense(read)))


def _unchanged(x: torch.Tensor) -> torch.Tensor:
    return x
