"""A server as its users start it, for as long as a test needs it; nothing of it may be left afterwards."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from loadtest import ROOT
from loadtest.server.family import described, family, kill, wait_for_end

RAYRANK = Path(sys.executable).with_name("rayrank")
START_S = 180.0
STOP_S = 30.0  # after Ctrl-C
LEFT_S = 10.0  # for what it has started, once it has ended itself
LOG_TAIL_LINES = 25


class NotReadyError(Exception):
    """The server did not become ready. The message has the end of its log."""


class LeftBehindError(Exception):
    """The server did not end, or left processes behind. They were killed."""


@dataclass(slots=True)
class Server:
    """A running server. log: what it prints. start_s: seconds that it took to be ready."""

    url: str
    process: psutil.Popen
    log: Path
    start_s: float = 0.0

    @property
    def output(self) -> list[str]:
        """What it has printed so far, a line each."""
        return self.log.read_text("utf-8", errors="replace").splitlines(keepends=True)

    @property
    def curl(self) -> str:
        """The curl line that it has printed."""
        return next(line.strip() for line in self.output if line.strip().startswith("curl "))

    @property
    def folder(self) -> Path:
        """Where Ray, Serve and HAProxy keep their files for it, as it has printed."""
        (said,) = [line for line in self.output if "logs: " in line]
        return Path(said.partition("logs: ")[2].partition(")")[0]).parent

    @property
    def key(self) -> str:
        """The API key of that line; empty where there are no accounts."""
        found = re.search(r"Bearer (rr_\w+)", self.curl)
        return found[1] if found else ""

    @property
    def headers(self) -> dict[str, str]:
        """What a request must have."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def family(self) -> list[psutil.Process]:
        """Its first process and all that this has started."""
        return [self.process, *self.process.children(recursive=True)]

    def processes(self, wanted: Callable[[str, str], bool]) -> list[psutil.Process]:
        """Those that it has started and that run, whose name and command line are wanted. Ray gives its own titles."""
        found = []
        for process in self.process.children(recursive=True):
            with suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE and wanted(process.name(), " ".join(process.cmdline())):
                    found.append(process)
        return found

    def replicas(self, deployment: str) -> list[psutil.Process]:
        """The processes of a deployment's replicas; a part of its name is enough."""
        return self.processes(lambda _, command: command.startswith("ray::ServeReplica") and deployment in command)

    def controller(self) -> psutil.Process:
        """The process of Serve's controller."""
        (controller,) = self.processes(lambda _, command: command.startswith("ray::ServeController"))
        return controller


Ready = Callable[[Server], bool]


def printed(beginning: str) -> Ready:
    """Ready when a line of the server's output begins so."""
    return lambda server: any(line.strip().startswith(beginning) for line in server.output)


def answering(path: str) -> Ready:
    """Ready when the server answers a GET of this path, whatever it says."""
    return lambda server: status_of(server.url + path) is not None


def status_of(url: str) -> int | None:
    """The status with which a GET of this URL is answered; None when it is not."""
    with suppress(httpx.HTTPError):
        # No proxy of the environment's: the request would leave the machine.
        return httpx.get(url, timeout=2, trust_env=False).status_code
    return None


PRINTED_CURL = printed("curl ")


@contextmanager
def running(
    command: Sequence[str],
    url: str,
    log: Path,
    *,
    ready: Ready = PRINTED_CURL,
    environment: Mapping[str, str] | None = None,
    stdin: int = subprocess.DEVNULL,
    stop_s: float = STOP_S,
    killed: bool = False,
) -> Iterator[Server]:
    """Run a command that serves at a URL, from when it is ready on; then Ctrl-C, and nothing may be left.

    ready: by default when its curl line is printed. environment: in place of this process's. killed: end it and all
    that it has started at once, without Ctrl-C. Raises NotReadyError, LeftBehindError.
    """
    with log.open("wb") as output:
        process = psutil.Popen(
            command,
            cwd=ROOT,
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**(os.environ if environment is None else environment), "PYTHONUNBUFFERED": "1"},
        )
    server = Server(url, process, log)
    left: list[str] = []
    try:
        server.start_s = _wait_until(ready, server)
        yield server
    finally:
        # Its family is taken before it goes: afterwards its children belong to nobody.
        members = family(process.pid)
        try:
            if not killed:
                left = [described(each) for each in _interrupt(process, members, stop_s)]
        finally:  # and also when a second Ctrl-C ends the wait
            unkilled = kill(members | family(process.pid))
            process.wait()
    if left or unkilled:
        raise LeftBehindError(f"left behind: {'; '.join(left or map(described, unkilled))}")


def _wait_until(ready: Ready, server: Server) -> float:
    """The seconds until it is. Raises NotReadyError."""
    began = time.monotonic()
    while (waited := time.monotonic() - began) < START_S:
        if ready(server):
            return waited
        if (code := server.process.poll()) is not None:
            raise NotReadyError(f"the server ended with status {code} before it was ready:\n{tail(server.log)}")
        time.sleep(0.1)
    raise NotReadyError(f"the server was not ready within {START_S:.0f} s:\n{tail(server.log)}")


def _interrupt(process: psutil.Popen, members: set[psutil.Process], stop_s: float) -> list[psutil.Process]:
    """Ctrl-C; those that outlive it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    with suppress(psutil.TimeoutExpired):
        process.wait(stop_s)
        return wait_for_end(members, LEFT_S)
    return wait_for_end(members, 0)


def tail(log: Path) -> str:
    """The end of a log."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        return "".join(deque(lines, LOG_TAIL_LINES)).rstrip()
