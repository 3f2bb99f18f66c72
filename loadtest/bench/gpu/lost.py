"""A GPU whose context is dead: the engine says so, and does not go on as if it were healthy."""

import signal
import subprocess
import sys
from collections.abc import Iterator

from loadtest import ROOT
from loadtest.bench.gpu.bench import Bench
from loadtest.bench.gpu.rows import Row, skipped, tried, wrong
from loadtest.bench.gpu.strike import BLOWS
from serve_app.scheduling.device import DeviceLostError

MODULE = "loadtest.bench.gpu.strike"
TIMEOUT_S = 120
LINE = 200  # characters of an error


def lost(bench: Bench) -> Iterator[Row]:
    """Whether a step on a dead context raises the error that tells a scheduler so, each in a process of its own."""
    if bench.device == "cpu":
        yield skipped("a dead context", "only a GPU has one")
        return
    directory = bench.tiny["bert", "classification"].directory
    children = {
        blow: subprocess.Popen(
            [sys.executable, "-m", MODULE, str(directory), blow],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for blow in BLOWS
    }  # fmt: skip
    for blow, child in children.items():
        yield from tried(blow, _told(blow, child))


def _told(blow: str, child: "subprocess.Popen[str]") -> Iterator[Row]:
    try:
        out, err = child.communicate(timeout=TIMEOUT_S)
    finally:
        child.kill()
    if child.returncode == -signal.SIGABRT and "CUDA error" in err:
        # What torch lets go of, it must not fail at: it ends the process, which is as good for a replica.
        yield wrong(f"{blow}: the next step ends the process or tells that the device is lost", is_wrong=False)
        return
    if len(out.splitlines()) != 2:
        raise RuntimeError(f"the process ended with {child.returncode}: {err[-300:]}")
    for which, line in zip(("the next step", "the one after it"), out.splitlines(), strict=True):
        right = line.startswith(f"{DeviceLostError.__name__}: ")
        yield wrong(f"{blow}: {which} tells that the device is lost", not right, line[:LINE])
