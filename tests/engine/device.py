"""A device and a clock that the scheduler can be shown with."""

import threading
from collections.abc import Callable

import numpy as np

from serve_app.engine.sequences import Sequences

POISON = 666
NOT_A_NUMBER = 777


class Device:
    """Gives each sequence the sum of its token ids, and keeps what it was given.

    Fails on a batch with POISON in it; gives NaN for a sequence with NOT_A_NUMBER in it; waits while `free` is clear.
    """

    def __init__(self, before: Callable[[], object] = lambda: None) -> None:
        self.batches: list[Sequences] = []
        self.busy, self.free = threading.Event(), threading.Event()
        self.free.set()
        self._before = before

    def __call__(self, batch: Sequences) -> np.ndarray:
        self.batches.append(batch)
        self.busy.set()
        assert self.free.wait(10)
        self._before()
        if POISON in batch.token_ids:
            raise RuntimeError("poisoned")
        return np.array([[answer(text)] for text in texts_of(batch)], dtype=np.float32)


def sequences(*texts: list[int]) -> Sequences:
    lengths = np.array([len(text) for text in texts], dtype=np.int32)
    return Sequences(np.array([token for text in texts for token in text], dtype=np.int32), lengths, lengths)


def texts_of(batch: Sequences) -> list[list[int]]:
    return [text.tolist() for text in np.split(batch.token_ids, np.cumsum(batch.lengths)[:-1])]


def answer(text: list[int]) -> float:
    return float("nan") if NOT_A_NUMBER in text else float(sum(text))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now
