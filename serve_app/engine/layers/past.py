"""What sequences of a step go on from: keys and values of the tokens that they begin with."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Beginning:
    """Tokens that sequences begin with, as every layer has computed them.

    keys, values: (layers, tokens, key_value_heads, size) each.
    """

    keys: torch.Tensor
    values: torch.Tensor

    @property
    def tokens(self) -> int:
        """How many tokens it has."""
        return self.keys.shape[1]

    @property
    def size(self) -> int:
        """Its bytes."""
        return self.keys.nbytes + self.values.nbytes


@dataclass(frozen=True, slots=True)
class Past:
    """The beginnings of a step's sequences.

    of: for each sequence, which of the beginnings is its own, -1 for none; sequences of one lie together.
    """

    beginnings: list[Beginning]
    of: list[int]

    def tokens_seen(self, lengths: Sequence[int]) -> NDArray[np.int32]:
        """Tokens of each sequence with its beginning: int32 (sequences,). lengths: tokens of each one's own."""
        return np.array(lengths, dtype=np.int32) + self._sizes[self.of]

    def order(self, lengths: Sequence[int]) -> NDArray[np.int32]:
        """Which token comes where each sequence lies behind its beginning: int32 (tokens seen by all,).

        Counted through all beginnings, one behind the other, and then through the step's own tokens. lengths: as above.
        """
        sizes, own = self._sizes, np.array(lengths, dtype=np.int32)
        starts = np.cumsum(sizes) - sizes  # the last one is that of the step's own tokens
        firsts = np.stack([starts[self.of], starts[-1] + np.cumsum(own) - own], axis=1).ravel()
        counts = np.stack([sizes[self.of], own], axis=1).ravel()
        order: NDArray[np.int32] = np.repeat(firsts - (np.cumsum(counts) - counts), counts).astype(np.int32)
        order += np.arange(order.size, dtype=np.int32)
        return order

    @property
    def _sizes(self) -> NDArray[np.int32]:
        """Tokens of each beginning, and a 0 for -1 behind them: int32 (beginnings + 1,)."""
        return np.array([*(beginning.tokens for beginning in self.beginnings), 0], dtype=np.int32)
