"""Counts of what was asked for in windows of time, and of who is in at the moment: in this process.

A window begins with the first that is counted in it, so that not all clients wait for the same full minute.
"""

import heapq
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

SWEPT_FROM = 1_024  # windows
MOST_WINDOWS = 1 << 17


@dataclass(frozen=True, slots=True)
class Window:
    """What is to be counted under a name: cost, of at most limit in so many seconds. A cost of 0 only asks."""

    name: str
    limit: int
    seconds: float
    cost: int = 1


@dataclass(frozen=True, slots=True)
class Room:
    """Where at most limit may be at a time."""

    name: str
    limit: int


@dataclass(frozen=True, slots=True)
class Count:
    """What became of a wish. A refused one has changed none of the numbers.

    used: of each window. ends_s: seconds until each window ends, 0 where none has begun. inside: of each room.
    """

    taken: bool
    used: tuple[int, ...]
    ends_s: tuple[float, ...]
    inside: tuple[int, ...]


class Away(Exception):  # noqa: N818 - a state, which nobody need mend
    """The counts are out of reach. retry_after_s: when they are looked for again."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("the counts are out of reach")
        self.retry_after_s = retry_after_s


class Counters(Protocol):
    """Whoever counts."""

    async def take(self, windows: Sequence[Window], rooms: Sequence[Room] = (), place: str = "") -> Count:
        """Count in all windows and go into all rooms, or in none. place: who goes in.

        Cancelled, it may have counted, but has left the rooms. Raises Away.
        """
        ...

    async def leave(self, rooms: Sequence[Room], place: str) -> None:
        """Go out of the rooms. Who is not in may leave, too. Cancelled, it happens all the same."""
        ...

    async def close(self) -> None:
        """End what is under way."""
        ...


class InProcess:
    """Counters of one process. Little is kept of windows that have ended, and nothing of empty rooms.

    At most MOST_WINDOWS are kept, which is some 20 MB.

    now: a clock in seconds that nobody sets back.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._windows: dict[str, tuple[int, float]] = {}  # what was counted, and when the window ends
        self._swept_at = SWEPT_FROM
        self._rooms: dict[str, set[str]] = {}

    async def take(self, windows: Sequence[Window], rooms: Sequence[Room] = (), place: str = "") -> Count:
        """See Counters."""
        now = self._now()
        counts = [self._count(window, now) for window in windows]
        inside = [len(self._rooms.get(room.name, ())) for room in rooms]
        taken = all(
            not window.cost or used + window.cost <= window.limit
            for window, (used, _) in zip(windows, counts, strict=True)
        ) and all(count < room.limit for room, count in zip(rooms, inside, strict=True))
        if taken:
            for place_of, window in enumerate(windows):
                if window.cost:
                    used, ends = counts[place_of]
                    counts[place_of] = self._windows[window.name] = used + window.cost, ends or now + window.seconds
            for room in rooms:
                self._rooms.setdefault(room.name, set()).add(place)
            inside = [count + 1 for count in inside]
            self._sweep(now)
        # A sum and a difference of two floats may be a little more than what was added.
        ends_s = tuple(min(max(0.0, ends - now), w.seconds) for w, (_, ends) in zip(windows, counts, strict=True))
        return Count(taken, tuple(used for used, _ in counts), ends_s, tuple(inside))

    def _count(self, window: Window, now: float) -> tuple[int, float]:
        """What was counted in the window so far, and when it ends; 0 where it has not begun."""
        used, ends = self._windows.get(window.name, (0, 0.0))
        return (used, ends) if ends > now else (0, 0.0)

    def _sweep(self, now: float) -> None:
        """Forget windows that have ended, whenever there are twice as many as were left the last time.

        Where there are too many that have not, those that end first are forgotten, too.
        """
        if len(self._windows) < self._swept_at:
            return
        self._windows = {name: count for name, count in self._windows.items() if count[1] > now}
        if len(self._windows) > MOST_WINDOWS // 2:
            last = heapq.nlargest(MOST_WINDOWS // 2, self._windows.items(), key=lambda item: item[1][1])
            self._windows = dict(last)
        self._swept_at = max(SWEPT_FROM, 2 * len(self._windows))

    async def leave(self, rooms: Sequence[Room], place: str) -> None:
        """See Counters."""
        for room in rooms:
            if inside := self._rooms.get(room.name):
                inside.discard(place)
                if not inside:
                    del self._rooms[room.name]

    async def close(self) -> None:
        """See Counters."""
