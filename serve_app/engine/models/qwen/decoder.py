"""The packed forward pass of Qwen3 and Qwen2: causal, one token in, one state out, nothing generated.

One pair through this file: its tokens are looked up in a table (`__call__`). Each layer normalises them, makes queries,
keys and values of them, turns queries and keys by their places, and lets each token attend to those before it: the
tokens of the shared beginning, whose keys and values are there already, and those of its own sequence. A
gated feed-forward follows (`Layer.__call__`). Of the last layer only each sequence's last token is computed, whose
state the head reads.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from serve_app.domain.sequences import Sequences
from serve_app.engine.layers.causal import CausalAttention, LayerAttention
from serve_app.engine.layers.packed import Packed
from serve_app.engine.layers.placement import Placement, Product
from serve_app.engine.layers.rotation import Rotary
from serve_app.engine.layers.turn import Angles
from serve_app.engine.models.config import States
from serve_app.engine.models.qwen.config import QwenConfig
from serve_app.engine.weights import Weights

# A layer's keys and values of some tokens, turned: (tokens, key_value_heads, size) each.
KeysValues = tuple[torch.Tensor, torch.Tensor]


class Layer:
    """One layer: attention and feed-forward, each computed from its normalised input and added to the input."""

    def __init__(self, weights: Weights, index: int, config: QwenConfig, placement: Placement) -> None:
        name, hidden, inner = f"layers.{index}", config.hidden, config.intermediate
        self._heads, self._key_value_heads, self._size = config.heads, config.key_value_heads, config.size

        def product(part: str, outputs: int, inputs: int, *, bias: bool = False) -> Product:
            # A layer of an 8B in float32 has 0.7 GiB; so it is converted product by product.
            return weights.mapped_linear(f"{name}.{part}", outputs, inputs, bias=bias)

        query, key, value = (
            product(f"self_attn.{part}", width, hidden, bias=config.input_bias)
            for part, width in (
                ("q_proj", config.query_width),
                ("k_proj", config.key_width),
                ("v_proj", config.key_width),
            )
        )
        query, key = (placement.turning(each, config.size) for each in (query, key))
        self._query = placement.normalised_linear(f"{name}.self_attn", *query)
        self._key_value = placement.normalised_linear(
            f"{name}.self_attn", torch.cat([key[0], value[0]]), torch.cat([key[1], value[1]])
        )
        self._turn_query, self._turn_key = (
            placement.turn(
                weights.get(f"{name}.self_attn.{norm}.weight", config.size) if config.head_norms else None,
                config.epsilon,
            )
            for norm in ("q_norm", "k_norm")
        )
        attended = product("self_attn.o_proj", hidden, config.query_width, bias=config.output_bias)
        gate, up = (product(f"mlp.{part}", inner, hidden) for part in ("gate_proj", "up_proj"))
        self._up = placement.gated_up(f"{name}.mlp", gate, up, config.activation)
        down = product("mlp.down_proj", hidden, inner)
        # Each half ends with the norm that the next one begins with.
        behind = "norm" if index == config.layers - 1 else f"layers.{index + 1}.input_layernorm"
        self._attention_end, self._output_end = (
            placement.rms_block_end(last, weights.get(f"{norm}.weight", hidden), config.epsilon)
            for last, norm in ((attended, f"{name}.post_attention_layernorm"), (down, behind))
        )

    def keys_values(self, seen: torch.Tensor, angles: Angles) -> KeysValues:
        """Keys, turned, and values of all tokens. seen: (tokens, hidden), the layer's normalised input."""
        key, value = self._key_value(seen).view(-1, 2, self._key_value_heads, self._size).unbind(1)
        return self._turn_key(key, angles), value

    def __call__(
        self,
        x: torch.Tensor,
        seen: torch.Tensor,
        keys_values: KeysValues,
        attend: LayerAttention,
        angles: Angles,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Hidden states behind this layer, and the same as the next norm gives them: (rows, hidden) twice.

        x, seen: (rows, hidden), the same of the layer before, of the tokens that ask. keys_values: of all tokens.
        attend, angles: of the tokens that ask.
        """
        query = self._turn_query(self._query(seen).view(-1, self._heads, self._size), angles)
        y, z = self._attention_end.with_sum(x, attend(query, *keys_values))
        return self._output_end.with_sum(y, self._up(z))


class QwenDecoder:
    """Token sequences to hidden states: see Encoder."""

    def __init__(self, weights: Weights, config: QwenConfig, placement: Placement, states: States) -> None:
        self._states, self._dtype = states, placement.dtype
        self._attend = CausalAttention(config.size, placement)
        self.by_shape_alone = self._attend.by_shape_alone
        # As it is in the file: in a multilingual vocabulary only the rows that are read take memory.
        self._words = weights.table("embed_tokens.weight", config.vocabulary, config.hidden).to(placement.device)
        self._input_norm = placement.rms_norm(
            weights.get("layers.0.input_layernorm.weight", config.hidden), config.epsilon
        )
        self._rotary = Rotary(config.theta, config.size, placement)
        self._layers = [Layer(weights, index, config, placement) for index in range(config.layers)]

    def positions(self, sequences: Sequences) -> NDArray[np.int64]:
        """Place of each token in its sequence, beginning included: int64 (tokens,)."""
        return sequences.places

    def __call__(self, step: Packed) -> torch.Tensor:
        """Hidden states of the last layer: (tokens, hidden), or (sequences, hidden) where last tokens are wanted."""
        attend, angles = self._attend(step), self._rotary.angles(step.positions)
        x, seen = self._embedded(step)
        for index, layer in enumerate(self._layers[:-1]):
            x, seen = layer(x, seen, layer.keys_values(seen, angles), attend.in_layer(index), angles)
        last = self._layers[-1]
        keys_values, index = last.keys_values(seen, angles), len(self._layers) - 1
        if self._states == "all":
            return last(x, seen, keys_values, attend.in_layer(index), angles)[1]
        rows = step.bounds[1:] - 1
        x, seen = x.index_select(0, rows), seen.index_select(0, rows)
        return last(x, seen, keys_values, attend.last_tokens(index), angles.of(rows))[1]

    def beginnings(self, step: Packed) -> list[KeysValues]:
        """The keys and values of every layer, for sequences that others begin with."""
        attend, angles = self._attend(step), self._rotary.angles(step.positions)
        x, seen = self._embedded(step)
        found = []
        for index, layer in enumerate(self._layers):
            found.append(layer.keys_values(seen, angles))
            if index < len(self._layers) - 1:
                x, seen = layer(x, seen, found[-1], attend.in_layer(index), angles)
        return found

    def _embedded(self, step: Packed) -> tuple[torch.Tensor, torch.Tensor]:
        """The first layer's input, and the same normalised: (tokens, hidden) twice."""
        x = functional.embedding(step.token_ids, self._words).to(self._dtype)
        return x, self._input_norm(x)
