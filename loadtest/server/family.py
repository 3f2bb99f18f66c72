"""A process and all that it has started, found and ended."""

import os
import time
from collections.abc import Iterable
from contextlib import suppress

import psutil

KILL_WAIT_S = 10.0  # on a busy machine a kill takes effect a moment after it is sent


def family(leader: int) -> set[psutil.Process]:
    """The process of this id, its descendants, and who is in its session: Ray begins sessions of its own."""
    members = set()
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(leader)
        members = {process, *process.children(recursive=True)}
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if os.getsid(process.pid) == leader:
                members.add(process)
    return members


def wait_for_end(processes: Iterable[psutil.Process], timeout_s: float) -> list[psutil.Process]:
    """Those that still run after that many seconds; returns at once when none does."""
    deadline = time.monotonic() + timeout_s
    while (left := [process for process in processes if _runs(process)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def kill(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Kill them all; those that outlive it."""
    killed = list(processes)
    for process in killed:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    return wait_for_end(killed, KILL_WAIT_S)


def described(process: psutil.Process) -> str:
    """A process for people: its id and the beginning of its command."""
    try:
        command = " ".join(process.cmdline())
    except psutil.Error:
        command = "gone"
    return f"{process.pid} {command[:80]}"


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
