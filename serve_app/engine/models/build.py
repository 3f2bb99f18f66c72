"""Which encoder and head each family of models has."""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from serve_app.domain.sequences import Sequences
from serve_app.engine.layers.packed import Packed
from serve_app.engine.layers.placement import Placement
from serve_app.engine.models.bert.encoder import BertEncoder
from serve_app.engine.models.deberta.encoder import DebertaClassificationHead, DebertaEncoder
from serve_app.engine.models.families import AnyConfig, BertConfig, DebertaConfig, ModernBertConfig
from serve_app.engine.models.heads import ClassificationHead, EmbeddingHead, Head
from serve_app.engine.models.modernbert.encoder import ModernBertClassificationHead, ModernBertEncoder
from serve_app.engine.weights import Weights


class Encoder(Protocol):
    """Token sequences to hidden states.

    by_shape_alone: whether, attention being one kernel, steps of one shape run the same kernels whatever their lengths.
    """

    by_shape_alone: bool

    def positions(self, sequences: Sequences) -> NDArray[np.int64]:
        """Position of each token as this family counts them: int64 (tokens,)."""
        ...

    def __call__(self, step: Packed) -> torch.Tensor:
        """Hidden states of the last layer: (tokens, hidden), or (sequences, hidden) of each sequence's first token."""
        ...


def build_encoder(weights: Weights, config: AnyConfig, placement: Placement, *, first_tokens: bool) -> Encoder:
    """The encoder that config.json describes.

    first_tokens: whether only each sequence's first token is wanted. Raises ModelError when a tensor is missing or has
    another shape.
    """
    match config:
        case BertConfig():
            return BertEncoder(weights, config, placement, first_tokens=first_tokens)
        case DebertaConfig():
            return DebertaEncoder(weights, config, placement, first_tokens=first_tokens)
        case ModernBertConfig():
            return ModernBertEncoder(weights, config, placement, first_tokens=first_tokens)


def build_head(weights: Weights, config: AnyConfig, device: torch.device) -> Head:
    """The head that config.json names. Raises ModelError when a tensor is missing or has another shape."""
    if config.head == "embedding":
        return EmbeddingHead(config)
    match config:
        case BertConfig():
            return ClassificationHead(weights, config, device)
        case DebertaConfig():
            return DebertaClassificationHead(weights, config, device)
        case ModernBertConfig():
            return ModernBertClassificationHead(weights, config, device)
