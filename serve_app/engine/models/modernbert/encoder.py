"""The packed forward pass of ModernBERT: rotary positions, local layers, a gated feed-forward, norms ahead."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from serve_app.domain.sequences import Sequences
from serve_app.engine.layers.attention import Attention, attention
from serve_app.engine.layers.packed import Packed
from serve_app.engine.layers.placement import Placement
from serve_app.engine.models.bert.encoder import LayerNorm
from serve_app.engine.models.families import ModernBertConfig
from serve_app.engine.models.heads import exact_linear, means
from serve_app.engine.weights import Weights


class Rotation:
    """Rotary positions of a step's tokens: turns pairs of a head's numbers by angles that grow with the place.

    As in RoFormer (arXiv 2104.09864), a number being paired with the one half a head away.
    """

    def __init__(self, places: torch.Tensor, theta: float, size: int) -> None:
        """`places`: int32 (tokens,), of each token in its sequence. `size`: width of a head."""
        steps = torch.arange(0, size, 2, dtype=torch.float32, device=places.device)
        # In transformers' order of operations: at place 8,000 the last bit of a factor is an angle of 0.0005.
        angles = places[:, None].float() * (1.0 / theta ** (steps / size))
        self._cos, self._sin = angles.cos()[:, None], angles.sin()[:, None]

    def __call__(self, x: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
        """Queries or keys, turned: (rows, heads, size). rows: as for Layer."""
        cos, sin = (
            (self._cos, self._sin)
            if rows is None
            else (
                self._cos.index_select(0, rows),
                self._sin.index_select(0, rows),
            )
        )
        first, second = x.float().chunk(2, dim=-1)
        out = torch.empty(x.shape, dtype=torch.float32, device=x.device)
        left, right = out.chunk(2, dim=-1)
        torch.mul(first, cos, out=left).addcmul_(second, sin, value=-1)
        torch.mul(second, cos, out=right).addcmul_(first, sin)
        return out.to(x.dtype)


class Layer:
    """One layer: attention and feed-forward, each of its normalised input and added to it."""

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
        self._up = placement.normalised_linear(f"{name}.mlp", weight[:inner], bias[:inner], "gelu")
        self._gate = placement.normalised_linear(f"{name}.mlp", weight[inner:], bias[inner:])
        self._down = placement.linear(*weights.linear(f"{name}.mlp.Wo", hidden, inner, bias=config.mlp_bias))

        def norm(part: str) -> LayerNorm:
            device, dtype = placement.device, placement.dtype
            return LayerNorm(weights, f"{name}.{part}", config, device, dtype, bias=config.norm_bias)

        # The embeddings are normalised already.
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
    """Token sequences to hidden states.

    first_tokens: whether only each sequence's first token is wanted of the last layer.
    """

    by_shape_alone = True

    def __init__(self, weights: Weights, config: ModernBertConfig, placement: Placement, *, first_tokens: bool) -> None:
        device, dtype, bias = placement.device, placement.dtype, config.norm_bias
        self._config, self._placement, self._first_tokens = config, placement, first_tokens
        # In float32, as of the other families: the table stays the mapped file.
        self._words = weights.get("embeddings.tok_embeddings.weight", config.vocabulary, config.hidden).to(device)
        self._norm_words = LayerNorm(weights, "embeddings.norm", config, device, torch.float32, bias=bias)
        self._layers = [Layer(weights, index, config, placement) for index in range(config.layers)]
        self._norm = LayerNorm(weights, "final_norm", config, device, dtype, bias=bias)

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
    """A cross-encoder's relevance: dense, GELU, norm and one output, over the first token or the mean of all.

    In float32 whatever the encoder computes in: 16 bits of a logit would tie documents that differ.
    """

    width = 1

    def __init__(self, weights: Weights, config: ModernBertConfig, device: torch.device) -> None:
        self.first_tokens = config.pooling == "cls"
        hidden = config.hidden
        self._dense = exact_linear(
            weights, "head.dense", hidden, hidden, device, activation="gelu", bias=config.classifier_bias
        )
        self._norm = LayerNorm(weights, "head.norm", config, device, torch.float32, bias=config.norm_bias)
        self._out = exact_linear(weights, "classifier", 1, hidden, device)

    def __call__(self, states: torch.Tensor, step: Packed) -> torch.Tensor:
        """One logit a sequence: (sequences, 1)."""
        pooled = states.float() if self.first_tokens else means(states, step)
        return self._out(self._norm(self._dense(pooled)))


def _unchanged(x: torch.Tensor) -> torch.Tensor:
    return x
