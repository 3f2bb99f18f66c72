"""Where a long text is cut into passages."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serve_app.domain.truncation import Tokens

# Each passage begins with this part of the one before it, so that what a cut would part is whole in one of the two.
OVERLAP = 1 / 8


@dataclass(frozen=True, slots=True)
class Cuts:
    """The cuts of some texts.

    room: int64 (texts,), tokens of the longest passage of each. prompt: tokens that every passage but a text's first
    has to begin with, which the text itself begins with.
    """

    room: Tokens
    prompt: int = 0

    @property
    def _later_room(self) -> Tokens:
        """Tokens of the text in a passage behind the first."""
        room: Tokens = np.maximum(self.room - self.prompt, 0)
        return room

    @property
    def _overlap(self) -> Tokens:
        return (self._later_room * OVERLAP).astype(np.int64)

    @property
    def _stride(self) -> Tokens:
        """Tokens from the start of one passage behind the first to that of the next."""
        stride: Tokens = np.maximum(self._later_room - self._overlap, 1)
        return stride

    def passages(self, tokens: Tokens) -> Tokens:
        """How many passages each text has, 1 or more. tokens: int64 (texts,), of each text."""
        needed: Tokens = 1 + np.maximum(-(-(tokens - self.room) // self._stride), 0)
        counts: Tokens = np.where(self._later_room < 1, 1, needed)
        return counts

    def reach(self, passages: int) -> Tokens:
        """How many tokens of each text fit into this many passages."""
        reach: Tokens = self.room + np.where(self._later_room < 1, 0, (passages - 1) * self._stride)
        return reach

    def place(self, texts: NDArray[np.intp], numbers: NDArray[np.intp]) -> tuple[Tokens, Tokens]:
        """Where passages begin in their texts, and how many tokens of the text they have at most.

        texts: (passages,), index of each one's text. numbers: (passages,), which passage of its text it is, from 0.
        """
        second = np.maximum(self.room - self._overlap, 0)
        later = numbers > 0
        starts: Tokens = np.where(later, second[texts] + (numbers - 1) * self._stride[texts], 0)
        return starts, np.where(later, self._later_room[texts], self.room[texts])
