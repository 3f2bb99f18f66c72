"""How many tokens a device scores in a second, as its steps show."""

import time
from dataclasses import dataclass

from serve_app.domain.sequences import Sequences
from serve_app.scheduling.device import Device, StepTooLargeError

KEPT = 0.9  # of the past in the moving mean, for each step
LONGEST_SAMPLE = 128  # tokens of a sequence in the first measurement
LEAST_SAMPLE_TOKENS = 512  # enough for a CPU to work at its full rate, and done within a second by the slowest
SAMPLE = 1 / 4  # of a full step, where that is more: a GPU takes as long for 512 tokens as for several times as many


@dataclass(slots=True)
class Rate:
    """A moving mean over steps."""

    _tokens: float = 0.0
    _seconds: float = 0.0

    @property
    def tokens_per_s(self) -> float:
        """Tokens a second; 0 before anything was learned."""
        return self._tokens / self._seconds if self._seconds else 0.0

    def learn(self, tokens: int, seconds: float) -> None:
        """Take a step into the mean."""
        self._tokens = KEPT * self._tokens + tokens
        self._seconds = KEPT * self._seconds + seconds


def measured(device: Device) -> Rate:
    """A device's rate before its first request, from two small steps: the first may load what computing takes.

    Without it, a service that has just started would take more than it can do in time. Must be called in the thread
    that computes. Raises StepTooLargeError when not even a small step fits into memory.
    """
    tokens, rate = max(round(SAMPLE * device.step_tokens), LEAST_SAMPLE_TOKENS), Rate()
    while True:
        sample = Sequences.filler(tokens, -(-tokens // min(LONGEST_SAMPLE, device.longest)))
        try:
            device.start(sample)()
            began = time.perf_counter()
            device.start(sample)()
        except StepTooLargeError:  # of a number that the settings name, or since another process came
            if tokens == LEAST_SAMPLE_TOKENS:
                raise
            tokens = max(tokens // 2, LEAST_SAMPLE_TOKENS)
            continue
        rate.learn(tokens, max(time.perf_counter() - began, 1e-6))
        return rate
