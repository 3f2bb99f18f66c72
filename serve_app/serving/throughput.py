"""How many documents a replica has scored lately."""

import time
from collections import deque
from collections.abc import Callable

WINDOW_S = 300.0
BUCKET_S = 1.0  # what is scored within it is kept as one number


class Throughput:
    """Documents scored in the last minutes. clock: seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._began = clock, clock()
        self._scored: deque[tuple[float, int]] = deque()
        self._documents = 0

    def add(self, documents: int) -> None:
        """Count documents that were scored just now."""
        now = self._clock()
        self._documents += documents
        if self._scored and now - self._scored[-1][0] < BUCKET_S:
            at, before = self._scored.pop()
            self._scored.append((at, before + documents))
        else:
            self._scored.append((now, documents))

    @property
    def documents_per_s(self) -> float:
        """Mean over the window, or since the start where that is shorter."""
        now = self._clock()
        while self._scored and self._scored[0][0] < now - WINDOW_S:
            self._documents -= self._scored.popleft()[1]
        return self._documents / max(min(now - self._began, WINDOW_S), 1.0)
