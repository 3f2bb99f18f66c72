"""A step as kernels read it: in one buffer, so that one copy brings it to the device."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from serve_app.domain.sequences import Sequences
from serve_app.engine.layers.past import Past


@dataclass(frozen=True, slots=True)
class Packed:
    """The sequences of a step, end to end.

    On the host: lengths, tokens of each sequence; longest, a number that no length exceeds.
    On the device, all int32: token_ids, positions and segments, (tokens,); bounds, (sequences + 1,), the index at which
    each sequence begins and the last one ends; starts, (sequences,), the index of each one's first token; counts,
    (sequences + 1,), 0, 1, 2 and so on, which are the bounds of sequences of one row; pooled_from, (sequences,), the
    index of each sequence's first token that is pooled, which is its end where none is.
    past: what the sequences begin with, computed before; None where they begin with themselves.
    """

    lengths: list[int]
    longest: int
    token_ids: torch.Tensor
    positions: torch.Tensor
    segments: torch.Tensor
    bounds: torch.Tensor
    starts: torch.Tensor
    counts: torch.Tensor
    pooled_from: torch.Tensor
    past: Past | None = None

    @classmethod
    def cut(cls, buffer: torch.Tensor, lengths: list[int], longest: int) -> Self:
        """The step whose numbers `buffer` has laid out in this tensor. lengths, longest: as in Packed."""
        tokens, count, bounds = sum(lengths), len(lengths), len(lengths) + 1
        parts = buffer.split_with_sizes([tokens, tokens, tokens, bounds, count, bounds, count])
        token_ids, positions, segments, of_bounds, starts, counts, pooled_from = parts
        return cls(lengths, longest, token_ids, positions, segments, of_bounds, starts, counts, pooled_from)


def buffer(sequences: Sequences, positions: NDArray[np.int64]) -> NDArray[np.int32]:
    """All that kernels read of a step, one array behind the other, as `Packed.cut` takes it apart.

    positions: int64 (tokens,), position of each token as the model's family counts them.
    """
    tokens, count = sequences.token_ids.size, len(sequences)
    numbers = np.empty(3 * tokens + 2 * (count + 1) + 2 * count, dtype=np.int32)
    numbers[:tokens] = sequences.token_ids
    numbers[tokens : 2 * tokens] = positions
    numbers[2 * tokens : 3 * tokens] = sequences.segments
    bounds, starts, counts, pooled_from = np.split(numbers[3 * tokens :], np.cumsum([count + 1, count, count + 1]))
    bounds[0] = 0
    np.cumsum(sequences.lengths, out=bounds[1:])
    # Filler without tokens may be behind the last one: what looks up its first token finds one, and it does not count.
    starts[:] = np.minimum(bounds[:-1], tokens - 1)
    counts[:] = np.arange(count + 1)
    pooled_from[:] = np.minimum(bounds[:-1] + sequences.prompt_lengths, bounds[1:])
    return numbers
