"""Looks after the HAProxy of a node: `python -m serve_app.launch.front.watch CONFIGURATION PROGRAM`.

Serve asks its HAProxy every few seconds, gives it three tries and then starts a process before the next HAProxy: too
long for clients. Here another one stands in within a second of an end and four of a silence, until Serve's next one
takes over what it listens on. When Ray has ended, so has HAProxy.
"""

import fcntl
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from serve_app.launch.front.config import without_admin
from serve_app.launch.front.node import Node, SilentError
from serve_app.launch.front.process import Process

PERIOD_S = 0.25
SURE_S = 0.3  # for Serve's own next one to answer
SILENCES = 2
START_S = 5.0
ALONE_S = 60.0  # for Serve to start its part anew; if it does not, it was shut down


class Watcher:
    """The one who looks after a node's HAProxy. program: HAProxy's own."""

    def __init__(self, node: Node, program: str) -> None:
        self._node, self._program = node, program
        self._serving = node.owners().haproxy
        self._silences = 0
        self._stands_in: Process | None = None
        self._alone_since: float | None = None

    def watch(self) -> None:
        """Return when HAProxy is no more, with all that belonged to it."""
        with suppress(OSError):  # its files are gone, and so is whoever needed it
            while self._is_wanted():
                self._look()
                time.sleep(PERIOD_S)
        for each in self._node.all():
            each.end()

    def _is_wanted(self) -> bool:
        owners = self._node.owners()
        if not owners.raylet.lives:
            return False
        if owners.actor.lives:
            self._alone_since = None
            return True
        self._alone_since = self._alone_since or time.monotonic()
        # One that Serve started serves on as long as there is a Ray.
        of_serve = self._serving != self._stands_in and self._serving.lives
        return of_serve or time.monotonic() - self._alone_since < ALONE_S

    def _look(self) -> None:
        try:
            answering = self._node.answering()
        except SilentError:
            self._silences += 1
            if self._silences >= SILENCES:
                self._tell(f"{self._serving.number} does not answer: it is ended")
                self._serving.end()
                self._replace()
            return
        self._silences = 0
        if answering:
            self._serving = answering
            if self._stands_in and self._stands_in != answering:
                # To take no more and to end with its last request; whoever took over said so, which may be lost.
                self._stands_in.signal(signal.SIGUSR1)
        elif not self._serving.lives:
            time.sleep(SURE_S)
            with suppress(SilentError):
                answering = self._node.answering()
            if answering is None and self._node.owners().raylet.lives:
                self._tell(f"{self._serving.number} has ended")
                self._replace()

    def _replace(self) -> None:
        """Start a HAProxy with the last configuration, beside Serve's socket, so that Serve still notices."""
        text = self._node.ran.read_text(encoding="utf-8")
        self._node.stand_in.write_text(without_admin(text), encoding="utf-8")
        with self._node.log.open("ab") as log:
            started = subprocess.Popen(
                [self._program, "-db", "-dR", "-f", str(self._node.stand_in)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + START_S
        self._silences, answering = 0, None
        while time.monotonic() < until and started.poll() is None:
            with suppress(SilentError):
                answering = self._node.answering()
            if answering:
                self._serving = self._stands_in = answering
                self._tell(f"{answering.number} stands in")
                return
            time.sleep(0.05)
        could_not = (started.poll() or 0) >= 0  # it was not ended by somebody else
        started.kill()  # one that does not answer would share the port with the next
        started.wait()
        if could_not:
            self._tell("none could be started: all that may hold the port are ended")
            for each in self._node.all():
                each.end()

    def _tell(self, what: str) -> None:
        with self._node.log.open("a", encoding="utf-8") as log:
            log.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} HAProxy: {what}\n")


def main() -> None:
    """Watch, unless somebody does."""
    node = Node(Path(sys.argv[1]))
    with node.lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        Watcher(node, sys.argv[2]).watch()


if __name__ == "__main__":
    main()
