"""The processes of one run, wherever they are in the tree of processes.

They are in their driver's session; who has left it names a file of the run's folder when it is started.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

import psutil

POLL_S = 0.05
PROGRAMS = ("haproxy", "python")


def members(session: int) -> list[psutil.Process]:
    """Who is in this session and runs, this process left out."""
    found = []
    for pid in psutil.pids():
        with suppress(OSError, psutil.Error):
            if pid != os.getpid() and os.getsid(pid) == session:
                process = psutil.Process(pid)
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
    return found


def naming(folder: Path) -> list[psutil.Process]:
    """Programs of a run that have a file of this folder among their arguments, this process left out.

    A person's own programs, such as one that shows a log, are not among them.
    """
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            ours = process.pid != os.getpid() and process.name().startswith(PROGRAMS)
            if ours and any(part.startswith(f"{folder}/") for part in process.cmdline()):
                found.append(process)
    return found


def end(session: int, folder: Path, timeout_s: float = 5.0) -> None:
    """Kill all of a run but this process; those that are born meanwhile, too."""
    deadline = time.monotonic() + timeout_s
    while (left := members(session) + naming(folder)) and time.monotonic() < deadline:
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        time.sleep(POLL_S)


def end_leftovers(session: int, created: float, folder: Path) -> None:
    """Kill what is left of a run whose driver began at that time, in seconds since 1970.

    Ids are used again: nothing is done where the machine has started since, or where the leader is another process.
    """
    if psutil.boot_time() > created:
        return
    with suppress(psutil.NoSuchProcess):
        if abs(psutil.Process(session).create_time() - created) > 1:
            return
    if not any(_began_before(process, created - 1) for process in members(session)):
        end(session, folder)


def _began_before(process: psutil.Process, moment: float) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.create_time() < moment
    return False
