"""Processes in sessions of their own, as a driver is."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

# A leader that starts a child which is nobody's once the leader is gone.
LEADER = "import subprocess, sys; subprocess.Popen(['sleep', '600']); print('begun', flush=True); sys.stdin.read()"


@contextmanager
def session_of_two() -> Iterator[psutil.Popen]:
    """The leader of a session in which a child of it runs, too. Whatever is left is killed."""
    leader = psutil.Popen(
        [sys.executable, "-c", LEADER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    assert leader.stdout.readline() == b"begun\n"
    family = [leader, *leader.children()]
    try:
        yield leader
    finally:
        for process in family:
            if process.is_running():
                process.kill()
        leader.wait()


def ended(process: psutil.Process, timeout_s: float = 5) -> bool:
    """Whether a process ends within that time."""
    deadline = time.monotonic() + timeout_s
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
