"""A device that takes a stated time and computes nothing, for tests and measurements of everything around it."""

import time
import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from serve_app.domain.sequences import Rows, Sequences
from serve_app.settings import SimulatedDevice

# Of a score: the logits of a cross-encoder that is sure of itself.
WIDEST_LOGIT = 8.0
FULL_RATE, LEAST_STEP_TOKENS = 0.93, 512


class SimulatedModel:
    """A model in name: a step takes its time, and a score is a function of the sequence's tokens alone.

    width: of a row; 1 for a cross-encoder. longest: tokens of the longest sequence. sleep: takes seconds.
    """

    steps_in_flight = 1
    device_name = "simulated"
    precision = "float32"

    def __init__(
        self, times: SimulatedDevice, *, width: int, longest: int, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._tokens_per_s, self._step_s = times.tokens_per_s, times.step_ms / 1_000
        self._width, self.longest, self._sleep = width, longest, sleep

    @property
    def step_tokens(self) -> int:
        """See device.Device: the smallest step at 93 % of the device's rate."""
        return max(round(FULL_RATE / (1 - FULL_RATE) * self._step_s * self._tokens_per_s), LEAST_STEP_TOKENS)

    def start(self, sequences: Sequences) -> Callable[[], Rows]:
        """See device.Device. Rows: a logit, or a vector of length 1."""
        self._sleep(self._step_s + sequences.token_ids.size / self._tokens_per_s)
        ends = np.cumsum(sequences.lengths)[:-1]
        parts = (_part_of_1(token_ids) for token_ids in np.split(sequences.token_ids, ends))
        places = np.fromiter(parts, dtype=np.float32, count=len(sequences))
        if self._width == 1:
            rows = (2 * places[:, None] - 1) * np.float32(WIDEST_LOGIT)
        else:
            angles = places * np.float32(np.pi)
            rows = np.zeros((len(sequences), self._width), dtype=np.float32)
            rows[:, 0], rows[:, 1] = np.cos(angles), np.sin(angles)
        return lambda: rows


def _part_of_1(token_ids: NDArray[np.int32]) -> float:
    return zlib.crc32(token_ids.tobytes()) / 2**32
