"""What every family's encoder gives."""

from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from serve_app.domain.sequences import Sequences
from serve_app.engine.layers.packed import Packed


class Encoder(Protocol):
    """Token sequences to hidden states.

    by_shape_alone: whether two steps of the same numbers of tokens and sequences run the same kernels, whatever the
    lengths of their sequences (where attention is one kernel). Such steps can be recorded as CUDA graphs, unless they
    go on from beginnings, which lie elsewhere for each request.
    """

    @property
    def by_shape_alone(self) -> bool:
        """See above."""
        ...

    def positions(self, sequences: Sequences) -> NDArray[np.int64]:
        """Position of each token as this family counts them: int64 (tokens,)."""
        ...

    def __call__(self, step: Packed) -> torch.Tensor:
        """Hidden states of the last layer: (tokens, hidden), or (sequences, hidden) where one of each is wanted."""
        ...


@runtime_checkable
class Decoder(Encoder, Protocol):
    """An encoder whose tokens see only those before them, so that sequences may go on from what others begin with."""

    def beginnings(self, step: Packed) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Each layer's keys and values of a step's tokens: (tokens, key_value_heads, size) each."""
        ...
