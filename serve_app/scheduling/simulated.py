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

    As a CPU, a step is done when it has been started. As a GPU (times.launch_ms), starting a step keeps this process
    busy for that long, and what it takes runs by itself behind the steps before it.

    width: of a row; 1 for a cross-encoder. longest: tokens of the longest sequence. sleep: takes seconds. clock:
    seconds.
    """

    device_name = "simulated"
    precision = "float32"

    def __init__(
        self,
        times: SimulatedDevice,
        *,
        width: int,
        longest: int,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._tokens_per_s, self._step_s = times.tokens_per_s, times.step_ms / 1_000
        self._launch_s = None if times.launch_ms is None else times.launch_ms / 1_000
        self._width, self.longest, self._sleep, self._clock = width, longest, sleep, clock
        self._free_at = 0.0  # when all steps that were started are done

    @property
    def steps_in_flight(self) -> int:
        """See device.Device."""
        return 1 if self._launch_s is None else 2

    @property
    def step_tokens(self) -> int:
        """See device.Device: the smallest step at 93 % of the device's rate."""
        return max(round(FULL_RATE / (1 - FULL_RATE) * self._step_s * self._tokens_per_s), LEAST_STEP_TOKENS)

    def start(self, sequences: Sequences) -> Callable[[], Rows]:
        """See device.Device. Rows: a logit, or a vector of length 1."""
        began = self._clock()
        rows, takes_s = self._rows(sequences), self._step_s + sequences.total_tokens / self._tokens_per_s
        if self._launch_s is None:
            self._sleep(takes_s)
            return lambda: rows
        while self._clock() < began + self._launch_s:  # sleeping would give Python's lock to others
            pass
        done_at = self._free_at = max(self._free_at, self._clock()) + takes_s

        def wait() -> Rows:
            self._sleep(max(done_at - self._clock(), 0))
            return rows

        return wait

    def _rows(self, sequences: Sequences) -> Rows:
        ends = np.cumsum(sequences.lengths)[:-1]
        own = np.split(sequences.token_ids, ends)
        if sequences.beginnings:
            whole = sequences.joined(np.ones(len(sequences), dtype=bool))
            own = np.split(whole.token_ids, np.cumsum(whole.lengths)[:-1])
        parts = map(_part_of_1, own)
        places = np.fromiter(parts, dtype=np.float32, count=len(sequences))
        if self._width == 1:
            return (2 * places[:, None] - 1) * np.float32(WIDEST_LOGIT)
        angles = places * np.float32(np.pi)
        rows = np.zeros((len(sequences), self._width), dtype=np.float32)
        rows[:, 0], rows[:, 1] = np.cos(angles), np.sin(angles)
        return rows


def _part_of_1(token_ids: NDArray[np.int32]) -> float:
    return zlib.crc32(token_ids.tobytes()) / 2**32
