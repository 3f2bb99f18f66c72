"""What time it is, for what is written down for good."""

import threading
import time
from collections.abc import Callable

from serve_app.domain.errors import ServiceError

TOLERATED_MS = 60_000  # by which clocks of several machines may differ


class Clock:
    """Milliseconds since 1970. wall: the machine's clock, in seconds."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall, self._latest = wall, 0
        self._lock = threading.Lock()

    def now(self) -> int:
        """The time.

        Raises ServiceError unavailable where the clock has jumped back behind what is written already: days, caps and
        expiries would be wrong.
        """
        now = int(self._wall() * 1000)
        with self._lock:
            behind = self._latest - now
            self._latest = max(self._latest, now)
        if behind > TOLERATED_MS:
            message = f"this machine's clock is {behind / 1000:,.0f} s behind the ledger's last entry; set it right"
            raise ServiceError("unavailable", message, retry_after_s=TOLERATED_MS / 1000)
        return now

    def saw(self, at: int) -> None:
        """Take note of a time that was written by someone."""
        with self._lock:
            self._latest = max(self._latest, at)
