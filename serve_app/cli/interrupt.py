"""Ctrl-C while there is nothing to tidy up."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTED = 130  # as shells say it
SHOW_CURSOR = b"\x1b[?25h\n"


@contextmanager
def ended_at_once() -> Iterator[None]:
    """Inside, Ctrl-C ends the process, whatever its threads compute."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:  # a shell's background job
        yield
        return
    signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _leave(*_: object) -> None:
    if sys.stderr.isatty():  # where a progress bar hides it
        os.write(2, SHOW_CURSOR)
    os._exit(INTERRUPTED)
