"""A device and a clock that the scheduler can be shown with."""

import threading
from collections.abc import Callable

import numpy as np

from serve_app.domain.sequences import Sequences
from serve_app.scheduling.device import StepTooLargeError

POISON = 666
NOT_A_NUMBER = 777


class Device:
    """Gives each sequence the sum of its token ids, and keeps what it was given.

    Fails on a batch with POISON in it; gives NaN for a sequence with NOT_A_NUMBER in it; waits while `free` is clear;
    has room for so many tokens at once. Where several steps may be in flight, it computes when its rows are asked for.
    """

    device_name = "test"
    precision = "float32"
    step_tokens = 100
    longest = 512

    def __init__(
        self, before: Callable[[], object] = lambda: None, *, room: int = 10**9, steps_in_flight: int = 1
    ) -> None:
        self.steps_in_flight, self._room = steps_in_flight, room
        self.batches: list[Sequences] = []
        self.busy, self.free, self.second_started = threading.Event(), threading.Event(), threading.Event()
        self.free.set()
        self._before = before

    def start(self, batch: Sequences) -> Callable[[], np.ndarray]:
        self.batches.append(batch)
        if len(self.batches) == 2:
            self.second_started.set()
        if batch.lengths.sum() > self._room:
            raise StepTooLargeError(f"{batch.lengths.sum()} tokens at once do not fit into memory")
        if self.steps_in_flight > 1:
            return lambda: self._compute(batch)
        rows = self._compute(batch)
        return lambda: rows

    def _compute(self, batch: Sequences) -> np.ndarray:
        self.busy.set()
        assert self.free.wait(10)
        self._before()
        if POISON in batch.token_ids:
            raise RuntimeError("poisoned")
        return np.array([[answer(text)] for text in texts_of(batch)], dtype=np.float32)


def sequences(*texts: list[int]) -> Sequences:
    lengths = np.array([len(text) for text in texts], dtype=np.int32)
    return Sequences.plain(np.array([token for text in texts for token in text], dtype=np.int32), lengths)


def texts_of(batch: Sequences) -> list[list[int]]:
    return [text.tolist() for text in np.split(batch.token_ids, np.cumsum(batch.lengths)[:-1])]


def answer(text: list[int]) -> float:
    return float("nan") if NOT_A_NUMBER in text else float(sum(text))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now
