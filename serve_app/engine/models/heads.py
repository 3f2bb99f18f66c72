"""What a model makes of the encoder's states: a cross-encoder's logit, or a bi-encoder's vector."""

from typing import Protocol

import torch
from torch.nn import functional

from serve_app.engine.layers.linear import Activation, Linear, steady_linear
from serve_app.engine.layers.packed import Packed
from serve_app.engine.models.families import BertConfig, EncoderConfig
from serve_app.engine.weights import Weights


class Head(Protocol):
    """The last part of a model.

    first_tokens: whether it reads each sequence's first token alone. width: numbers it gives for a sequence.
    """

    first_tokens: bool
    width: int

    def __call__(self, states: torch.Tensor, step: Packed) -> torch.Tensor:
        """One row a sequence, (sequences, width); states as the encoder gives them."""
        ...


class ClassificationHead:
    """A cross-encoder's relevance: dense, tanh and one output over the first token.

    RoBERTa keeps all of it in its classifier; BERT's dense layer is its pooler. In float32 whatever the encoder
    computes in: 16 bits of a logit would tie documents that differ.
    """

    first_tokens = True
    width = 1

    def __init__(self, weights: Weights, config: BertConfig, device: torch.device) -> None:
        dense, out = (
            ("classifier.dense", "classifier.out_proj")
            if config.family == "roberta"
            else ("pooler.dense", "classifier")
        )
        self._dense = exact_linear(weights, dense, config.hidden, config.hidden, device)
        self._out = exact_linear(weights, out, 1, config.hidden, device)

    def __call__(self, states: torch.Tensor, step: Packed) -> torch.Tensor:  # noqa: ARG002
        return self._out(torch.tanh(self._dense(states.float())))


class EmbeddingHead:
    """A bi-encoder's vector of length 1: the first token's state, or the mean over all tokens."""

    def __init__(self, config: EncoderConfig) -> None:
        self.first_tokens = config.pooling == "cls"
        self.width = config.hidden

    def __call__(self, states: torch.Tensor, step: Packed) -> torch.Tensor:
        pooled = states.float() if self.first_tokens else means(states, step)
        return functional.normalize(pooled, dim=1)


def exact_linear(
    weights: Weights,
    name: str,
    outputs: int,
    inputs: int,
    device: torch.device,
    *,
    activation: Activation = "none",
    bias: bool = True,
) -> Linear:
    """A head's linear layer: in float32, and on CPU with the same row for a sequence whatever other ones there are."""
    weight, shift = weights.linear(name, outputs, inputs, bias=bias)
    return steady_linear(weight.to(device), shift.to(device), activation)


def means(states: torch.Tensor, step: Packed) -> torch.Tensor:
    """The mean state of each sequence: float32 (sequences, hidden), from (tokens, hidden)."""
    # Unsafe: not checked whether the bounds are right, for which a GPU would have to be waited for.
    return torch.segment_reduce(states.float(), "mean", offsets=step.bounds, axis=0, unsafe=True)
