"""The tensors of a GTE's layer, in either of the two forms in which checkpoints have them."""

from dataclasses import dataclass

import torch

from serve_app.engine.layers.placement import Norm, Product
from serve_app.engine.models.gte.config import GteConfig
from serve_app.engine.weights import Weights


@dataclass(frozen=True, slots=True)
class LayerTensors:
    """A layer's tensors, float32. gate: the product that has the activation; it and up have no bias."""

    query_key_value: list[Product]
    attended: Product
    norm_attention: Norm
    gate: torch.Tensor
    up: torch.Tensor
    down: Product
    norm_output: Norm


def layer_tensors(weights: Weights, index: int, config: GteConfig) -> LayerTensors:
    """One layer's tensors. Raises ModelError when one is missing or has another shape.

    Source of the names in new-impl's form: transformers' conversion_mapping.py.
    """
    if f"layers.{index}.self_attn.q_proj.weight" in weights:
        return _of_transformers(weights, f"layers.{index}", config)
    return _of_new_impl(weights, f"encoder.layer.{index}", config)


def _of_transformers(weights: Weights, name: str, config: GteConfig) -> LayerTensors:
    hidden, inner = config.hidden, config.intermediate
    return LayerTensors(
        [weights.linear(f"{name}.self_attn.{part}_proj", hidden, hidden) for part in "qkv"],
        weights.linear(f"{name}.self_attn.o_proj", hidden, hidden),
        weights.norm(f"{name}.post_attention_layernorm", hidden),
        weights.get(f"{name}.mlp.gate_proj.weight", inner, hidden),
        weights.get(f"{name}.mlp.up_proj.weight", inner, hidden),
        weights.linear(f"{name}.mlp.down_proj", hidden, inner),
        weights.norm(f"{name}.post_mlp_layernorm", hidden),
    )


def _of_new_impl(weights: Weights, name: str, config: GteConfig) -> LayerTensors:
    hidden, inner = config.hidden, config.intermediate
    weight, bias = weights.linear(f"{name}.attention.qkv_proj", 3 * hidden, hidden)
    up, gate = weights.get(f"{name}.mlp.up_gate_proj.weight", 2 * inner, hidden).chunk(2)
    return LayerTensors(
        list(zip(weight.chunk(3), bias.chunk(3), strict=True)),
        weights.linear(f"{name}.attention.o_proj", hidden, hidden),
        weights.norm(f"{name}.attn_ln", hidden),
        gate,
        up,
        weights.linear(f"{name}.mlp.down_proj", hidden, inner),
        weights.norm(f"{name}.mlp_ln", hidden),
    )
