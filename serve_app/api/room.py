"""How much memory the bodies in work at one gateway may take."""

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from serve_app.domain.errors import ServiceError

# Up to here a body is small: such ones have room of their own, so that large ones do not keep them out.
SMALL = 1 << 18
SMALL_SHARE = 4  # small ones together may have a fourth of what large ones have
VALUE_BYTES = 48  # of a value of JSON in Python, beside its text: a number and its place in lists
BETWEEN_VALUES = (b",", b"[", b"{")
# One that never ends goes to the end of the body: else each escaped quote in it would be looked at as a beginning.
STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
# Python stores all of a text as widely as its widest character: 1, 2 or 4 bytes.
WIDEST = re.compile(rb"[\xf0-\xf4]|\\u[dD][89abAB]")


class OverError(Exception):
    """The request that wants room is over."""


class Share:
    """What one request has of the room, with a body that grows while it is read. Thread-safe."""

    def __init__(self, room: "Room") -> None:
        self._room, self._taken = room, 0
        self._lock, self._over = Lock(), False

    def reach(self, size: int) -> None:
        """Have room for this many bytes in all.

        Raises ServiceError: overloaded where there is none now, payload_too_large where there never is. Raises
        OverError where it was given back: a thread may still unpack a body whose request has ended.
        """
        with self._lock:
            if self._over:
                raise OverError
            if size > self._taken:
                self._room.move(self._taken, size)
                self._taken = size

    def require(self, size: int) -> None:
        """Raise what `reach` does where it would; nothing is taken."""
        self._room.require(size)

    def reach_parsed(self, body: bytes) -> None:
        """Have room for what a body of JSON is in Python. Raises what `reach` does."""
        self.reach(parsed_bytes(body))

    def give_back(self) -> None:
        """Have none any more, for good."""
        if self._taken > SMALL:
            gc.collect()  # an error may keep the whole body in a cycle, where Python counts it as one object
        with self._lock:
            self._room.move(self._taken, 0)
            self._taken, self._over = 0, True


class Room:
    """The room of one gateway. most: bytes of large bodies."""

    def __init__(self, most: int) -> None:
        self._lock = Lock()
        self._most = {True: most // SMALL_SHARE, False: most}  # by whether a body is small
        self._taken = {True: 0, False: 0}

    @contextmanager
    def share(self) -> Iterator[Share]:
        """For one request; leaving gives all of it back."""
        share = Share(self)
        try:
            yield share
        finally:
            share.give_back()

    def move(self, before: int, after: int) -> None:
        """Take this many bytes in place of so many. Raises what Share.reach does, and nothing has changed then."""
        was, now = before <= SMALL, after <= SMALL
        with self._lock:
            taken, most = self._taken[now] - (before if was == now else 0), self._most[now]
            if after > before:
                _require(taken, after, most)
            self._taken[was] -= before
            self._taken[now] += after

    def require(self, size: int) -> None:
        """Raise what Share.reach does where there is no room for another body of this size now."""
        is_small = size <= SMALL
        with self._lock:
            _require(self._taken[is_small], size, self._most[is_small])


def parsed_bytes(body: bytes) -> int:
    """The memory of what a body of JSON is in Python, about and at most."""
    if len(body) <= SMALL:
        return len(body)
    escaped = rb"\u" in body
    width = 1 if body.isascii() and not escaped else 4 if WIDEST.search(body) else 2
    values = sum(map(body.count, BETWEEN_VALUES))
    if values * VALUE_BYTES > len(body):  # or commas of its texts
        outside = STRINGS.sub(b"", body)
        values = sum(map(outside.count, BETWEEN_VALUES))
    return len(body) * width + values * VALUE_BYTES


def _require(taken: int, size: int, most: int) -> None:
    if taken + size > most:
        raise _never(size, most) if size > most else _not_now(taken, most)


def _never(size: int, most: int) -> ServiceError:
    message = f"the body takes about {size:,} bytes when it is read; at most {most:,} are allowed"
    return ServiceError("payload_too_large", message)


def _not_now(taken: int, most: int) -> ServiceError:
    message = f"bodies of {taken:,} bytes are in work here; at most {most:,} are allowed; try again"
    return ServiceError("overloaded", message, retry_after_s=1)
