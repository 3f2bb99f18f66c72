"""A server as a user starts it, and what is left of it afterwards."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
RAYRANK = Path(sys.executable).with_name("rayrank")
START_S = 120
STOP_S = 30


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@dataclass
class Server:
    """A running server. output: what it has printed so far, a line each."""

    process: subprocess.Popen[str]
    url: str
    output: list[str]

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def replicas(self, deployment: str) -> list[psutil.Process]:
        """Processes of a deployment's replicas, by the title that Ray gives them."""
        found = []
        for process in self.descendants():
            try:
                title = process.cmdline()[0]
            except (psutil.Error, IndexError):
                continue
            if title.startswith("ray::ServeReplica") and deployment in title:
                found.append(process)
        return found

    @property
    def curl(self) -> str:
        """The curl line that it printed."""
        return next(line.strip() for line in self.output if line.strip().startswith("curl "))


@contextmanager
def running(command: Sequence[str], url: str) -> Iterator[Server]:
    """Run a command that serves at a URL; yield when its curl line is printed; then Ctrl-C, and nothing may be left."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    output: list[str] = []
    assert process.stdout is not None
    reader = threading.Thread(target=output.extend, args=(process.stdout,), daemon=True)
    reader.start()
    server = Server(process, url, output)
    descendants: list[psutil.Process] = []
    try:
        _wait_for_curl(server)
        yield server
        descendants = server.descendants()
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        reader.join(5)
    _, left = psutil.wait_procs(descendants, timeout=5)
    assert not left, f"left behind: {[each.cmdline() for each in left]}"


def _wait_for_curl(server: Server) -> None:
    for _ in range(START_S * 10):
        if any(line.strip().startswith("curl ") for line in server.output):
            return
        if server.process.poll() is not None:
            break
        time.sleep(0.1)
    raise AssertionError("not ready: " + "".join(server.output))
