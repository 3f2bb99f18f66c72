"""A contender in a process of its own, in its own interpreter.

`python -m loadtest.bench.engine.child FD LIBRARY KIND DIRECTORY OPTIONS`.
"""

import importlib
import json
import os
import subprocess
import sys
import time
import traceback
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from loadtest import ROOT
from loadtest.bench.engine.contenders import Contender, Kind
from loadtest.bench.engine.peers.work import THREADS

MODULE, PEERS = "loadtest.bench.engine.child", "loadtest.bench.engine.peers"


class ContenderError(Exception):
    """A contender that cannot take part, in one line: not installed, not for this machine, or it failed."""


class Child:
    """The parent's end."""

    def __init__(self, contender: Contender, kind: Kind, directory: Path) -> None:
        """Start the process and wait until the model is loaded. Raises ContenderError."""
        self.contender = contender
        if not contender.python.exists():
            folder = contender.python.parents[1].name
            raise ContenderError(f"there is no {folder}; `make bench-engine` makes it")
        self._end, other = Pipe()
        what = [contender.library, kind, str(directory), json.dumps(dict(contender.options))]
        with (directory / f"{contender.name}.log").open("w") as log:
            self._process = subprocess.Popen(
                [str(contender.python), "-m", MODULE, str(other.fileno()), *what],
                cwd=ROOT,
                pass_fds=[other.fileno()],
                env={**os.environ, "OMP_NUM_THREADS": str(THREADS)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        other.close()
        self._answer()

    def start(self, batch: int | None) -> None:
        """What follows is computed in batches of this size. Raises ContenderError."""
        self._ask("start", batch)

    def run(self, work: Any) -> tuple[float, Any]:
        """Seconds and answer. Raises ContenderError."""
        seconds, answer = self._ask("run", work)
        return seconds, answer

    def close(self) -> None:
        """End the process."""
        self._end.close()
        self._process.wait()

    def _ask(self, verb: str, what: Any) -> Any:
        with suppress(BrokenPipeError):  # the answer says why
            self._end.send((verb, what))
        return self._answer()

    def _answer(self) -> Any:
        try:
            error, answer = self._end.recv()
        except (EOFError, ConnectionError):
            error = f"its process ended with status {self._process.wait()}"
        if error:
            raise ContenderError(error)
        return answer


def serve(end: Connection, library: str, kind: str, directory: str, options: str) -> None:
    """Load, say how that went, then start and run until the parent hangs up."""
    try:
        start = getattr(importlib.import_module(f"{PEERS}.{library}"), kind)(Path(directory), **json.loads(options))
        end.send((None, None))
        while True:
            verb, what = end.recv()
            if verb == "start":
                run = start(what)
                end.send((None, None))
            else:
                began = time.perf_counter()
                answer = run(what)
                end.send((None, (time.perf_counter() - began, answer)))
    except EOFError:
        pass
    except Exception as error:  # whatever a library raises, the others go on
        traceback.print_exc()
        end.send((" ".join(f"{type(error).__name__}: {error}".split()), None))


if __name__ == "__main__":
    try:
        serve(Connection(int(sys.argv[1])), *sys.argv[2:])
    finally:
        sys.stderr.flush()
        os._exit(0)  # a library's threads would keep the process
