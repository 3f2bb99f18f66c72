"""The signals by which a user, a terminal or an operating system ends a command."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop(threading.Event):
    """Set by the first of these signals. number: which it was. urgent: whether another came since."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.urgent = False

    def take(self, number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        self.urgent = self.is_set()
        self.number = self.number or number
        self.set()


@contextmanager
def stop_by_signal() -> Iterator[Stop]:
    """Inside, these signals set an event. A SIGHUP that is ignored, as nohup has it, stays ignored."""
    stop = Stop()
    before = {number: signal.getsignal(number) for number in STOPPING}
    taken = [number for number in before if number != signal.SIGHUP or before[number] is not signal.SIG_IGN]
    for number in taken:
        signal.signal(number, stop.take)
    try:
        yield stop
    finally:
        for number in taken:
            signal.signal(number, before[number])
