"""The driver as the command that has started it sees it."""

import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil

import serve_app
from serve_app.launch import session
from serve_app.launch.driver import STOP
from serve_app.launch.folder import RunFolder
from serve_app.launch.reports import Order, Report

PRINTED = "driver.log"


class StartedDriver:
    """A process of serve_app.launch.driver, in a session of its own."""

    def __init__(self, order: Order, folder: RunFolder, environment: Mapping[str, str]) -> None:
        # With the code of this command in the driver and in Ray's workers, wherever the command found it.
        code = [str(Path(serve_app.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        with (folder.logs / PRINTED).open("wb") as printed:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "serve_app.launch.driver"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=printed,
                start_new_session=True,
                pass_fds=[order.lock],
                env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(filter(None, code))},
            )
        folder.belongs_to(psutil.Process(self._process.pid))
        self.session = self._process.pid
        self._folder = folder.path
        self.reports: queue.Queue[Report] = queue.Queue()
        threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True).start()
        self._say(pickle.dumps(order))

    def has_ended(self) -> bool:
        """Whether its process has."""
        return self._process.poll() is not None

    def ask_to_stop(self) -> None:
        """Have it end Serve and Ray in good order, and then itself."""
        self._say(STOP)

    def end(self) -> None:
        """End it and all that it has started, at once."""
        self._process.kill()
        self._process.wait()
        session.end(self.session, self._folder)

    def _say(self, what: bytes) -> None:
        with suppress(BrokenPipeError):
            self._process.stdin.write(what)  # type: ignore[union-attr]
            self._process.stdin.flush()  # type: ignore[union-attr]

    def _listen(self, pipe: IO[bytes]) -> None:
        with suppress(EOFError, OSError, pickle.UnpicklingError):
            while True:
                self.reports.put(pickle.load(pipe))
