"""A step as kernels read it: one buffer, so that one copy brings all of it to the device."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from serve_app.domain.sequences import Sequences


@dataclass(frozen=True, slots=True)
class Packed:
    """The sequences of a step, end to end.

    On the host, lengths: tokens of each sequence; longest: none has more.
    On the device, int32, token_ids, positions and segments: (tokens,); bounds: (sequences + 1,), where each sequence
    begins and the last one ends; counts: (sequences + 1,), 0, 1, 2 and so on, the bounds where each has one row.
    """

    lengths: list[int]
    longest: int
    token_ids: torch.Tensor
    positions: torch.Tensor
    segments: torch.Tensor
    bounds: torch.Tensor
    counts: torch.Tensor

    @classmethod
    def cut(cls, buffer: torch.Tensor, lengths: list[int], longest: int) -> Self:
        """The step whose numbers are in this buffer, as `buffer` lays them out."""
        tokens, bounds = sum(lengths), len(lengths) + 1
        return cls(lengths, longest, *buffer.split_with_sizes([tokens, tokens, tokens, bounds, bounds]))

    @property
    def starts(self) -> torch.Tensor:
        """Index of each sequence's first token: int32 (sequences,)."""
        return self.bounds[:-1]


def buffer(sequences: Sequences, positions: NDArray[np.int64]) -> NDArray[np.int32]:
    """All that kernels read of a step, one array behind the other. positions: (tokens,), as the model counts them."""
    second = sequences.places >= np.repeat(sequences.first_segments, sequences.lengths)
    bounds, counts = np.append(sequences.starts, sequences.token_ids.size), np.arange(len(sequences) + 1)
    return np.concatenate([sequences.token_ids, positions, second, bounds, counts]).astype(np.int32)
