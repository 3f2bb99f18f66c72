"""Where a long text is cut into passages."""

import numpy as np
from numpy.typing import NDArray

from serve_app.domain.truncation import Tokens

# Each passage begins with this part of the one before it, so that what a cut would part is whole in one of the two.
OVERLAP = 1 / 8
MOST = 2**31  # more passages, and more tokens, than any text has


class Cuts:
    """The cuts of some texts."""

    def __init__(self, room: Tokens, prompt: int = 0) -> None:
        """The texts' cuts.

        room: int64 (texts,), tokens of the longest passage of each. prompt: tokens that every passage but a text's
        first has to begin with, which the text itself begins with.
        """
        self._room = room
        self._later_room = np.maximum(room - prompt, 0) if prompt else room
        overlap = (self._later_room * OVERLAP).astype(np.int64)
        self._second = np.maximum(room - overlap, 0)
        self._stride = np.maximum(self._later_room - overlap, 1)

    def passages(self, tokens: Tokens) -> Tokens:
        """How many passages each text has, 1 or more. tokens: int64 (texts,), of each text."""
        needed = 1 + np.maximum(-(-(tokens - self._room) // self._stride), 0)
        counts: Tokens = np.where(self._later_room < 1, 1, needed)
        return counts

    def reach(self, passages: int | None) -> Tokens:
        """How many tokens of each text fit into this many passages, or into as many as there may be."""
        if passages == 1:
            return self._room
        later = MOST if passages is None else min(passages - 1, MOST)  # a client may write any number
        reach: Tokens = self._room + np.where(self._later_room < 1, 0, later * self._stride)
        return reach

    def place(self, texts: NDArray[np.intp], numbers: NDArray[np.intp]) -> tuple[Tokens, Tokens]:
        """Where passages begin in their texts, and how many tokens of the text they have at most.

        texts: (passages,), index of each one's text. numbers: (passages,), which passage of its text it is, from 0.
        """
        later = numbers > 0
        starts: Tokens = np.where(later, self._second[texts] + (numbers - 1) * self._stride[texts], 0)
        return starts, np.where(later, self._later_room[texts], self._room[texts])
