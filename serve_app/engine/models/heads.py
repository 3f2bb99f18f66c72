"""What a model makes of the encoder's states: a cross-encoder's logit, or a bi-encoder's vector."""

from typing import Protocol

import torch
from torch.nn import functional

from serve_app.engine.layers.packed import Packed
from serve_app.engine.layers.pooling import pooled


class Head(Protocol):
    """The last part of a model."""

    @property
    def first_tokens(self) -> bool:
        """Whether it reads only the state of each sequence's first token."""
        ...

    def __call__(self, states: torch.Tensor, step: Packed) -> torch.Tensor:
        """One row a sequence: float32 (sequences, width). states: as the encoder gives them."""
        ...


class EmbeddingHead:
    """A bi-encoder's vector of length 1: the first token's state, or the mean of all states."""

    def __init__(self, *, first_tokens: bool) -> None:
        self.first_tokens = first_tokens

    def __call__(self, states: torch.Tensor, step: Packed) -> torch.Tensor:
        """One vector a sequence: float32 (sequences, hidden)."""
        return functional.normalize(pooled(states, step, first_tokens=self.first_tokens), dim=1)
