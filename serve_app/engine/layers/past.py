"""What sequences of a step go on from: keys and values of the tokens that they begin with."""

from dataclasses import dataclass

import torch


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
