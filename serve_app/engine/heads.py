"""What a model makes of the encoder's states: a cross-encoder's logit, or a bi-encoder's vector."""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from serve_app.engine.config import EncoderConfig
from serve_app.engine.sequences import Sequences
from serve_app.engine.weights import Weights

Rows = NDArray[np.float32]


class Head(Protocol):
    """The last part of a model.

    first_tokens: whether it reads each sequence's first token alone. width: numbers it gives for a sequence.
    """

    first_tokens: bool
    width: int

    def __call__(self, states: torch.Tensor, sequences: Sequences) -> torch.Tensor:
        """One row a sequence, (sequences, width); states as the encoder gives them."""
        ...


class ClassificationHead:
    """A cross-encoder's relevance: dense, tanh and one output over the first token.

    RoBERTa keeps all of it in its classifier; BERT's dense layer is its pooler. In float32 whatever the encoder
    computes in: 16 bits of a logit would tie documents that differ.
    """

    first_tokens = True
    width = 1

    def __init__(self, weights: Weights, config: EncoderConfig, device: torch.device) -> None:
        dense, out = (
            ("classifier.dense", "classifier.out_proj")
            if config.family == "roberta"
            else ("pooler.dense", "classifier")
        )
        self._dense = weights.get(f"{dense}.weight", config.hidden, config.hidden).to(device)
        self._dense_bias = weights.get(f"{dense}.bias", config.hidden).to(device)
        self._out = weights.get(f"{out}.weight", 1, config.hidden).to(device)
        self._out_bias = weights.get(f"{out}.bias", 1).to(device)

    def __call__(self, states: torch.Tensor, sequences: Sequences) -> torch.Tensor:  # noqa: ARG002
        pooled = torch.tanh(functional.linear(states.float(), self._dense, self._dense_bias))
        return functional.linear(pooled, self._out, self._out_bias)


class EmbeddingHead:
    """A bi-encoder's vector of length 1: the first token's state, or the mean over all tokens."""

    def __init__(self, config: EncoderConfig) -> None:
        self.first_tokens = config.pooling == "cls"
        self.width = config.hidden

    def __call__(self, states: torch.Tensor, sequences: Sequences) -> torch.Tensor:
        pooled = states.float()
        if not self.first_tokens:
            lengths = torch.from_numpy(sequences.lengths).to(states.device)
            pooled = torch.segment_reduce(pooled, "mean", lengths=lengths.long(), axis=0)
        return functional.normalize(pooled, dim=1)


def build_head(weights: Weights, config: EncoderConfig, device: torch.device) -> Head:
    """The head that config.json names."""
    if config.head == "classification":
        return ClassificationHead(weights, config, device)
    return EmbeddingHead(config)


def cosines(vectors: Rows) -> Rows:
    """Cosine of the first vector with each other one.

    vectors: float32 (1 + documents, width), each of length 1, the query's first. Returns float32 (documents,).
    """
    # A matrix product's rounding would depend on how many documents there are.
    products: Rows = np.einsum("ij,j->i", vectors[1:], vectors[0], optimize=False)
    return products
