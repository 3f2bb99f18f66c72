"""`rayrank release` in a process of its own that has imported Ray before: most of the command's time is that import."""

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path

LIMIT_S = 90.0


@dataclass(frozen=True, slots=True)
class Released:
    """How a release ended. stderr: what it said there."""

    returncode: int
    stdout: str
    stderr: str


class Releases:
    """Runs releases, each in a process that is forked from one that has done nothing but import."""

    def __init__(self, folder: Path) -> None:
        """`folder`: for what the processes say. RAY_AUTH_MODE must be set: Ray reads it when it is imported."""
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["serve_app.cli.commands", "serve_app.cli.main", "ray.serve.schema"])
        forkserver.ensure_running()
        self._folder = folder
        self._numbers = count(1)

    def run(self, environment: Mapping[str, str], *arguments: str) -> Released:
        """Run `rayrank release` to its end."""
        number = next(self._numbers)
        output, error = (self._folder / f"{number}.{name}" for name in ("out", "err"))
        process = self._context.Process(target=_release, args=(dict(environment), arguments, output, error))
        process.start()
        process.join(LIMIT_S)
        if process.exitcode is None:
            process.kill()
            raise TimeoutError(f"not done after {LIMIT_S:g} s: {output.read_text()}")
        return Released(process.exitcode, output.read_text(), error.read_text())


def _release(environment: dict[str, str], arguments: Sequence[str], output: Path, error: Path) -> None:
    from serve_app.cli.main import main

    for path, number in ((output, 1), (error, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["rayrank", "release", *arguments]
    main()
