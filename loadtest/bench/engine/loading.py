"""Seconds and memory that loading a model takes: `make bench-load`.

Every precision is loaded in a process of its own, from a file that the system has read before.
"""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from loadtest.bench.engine.base_model import BASE_MODEL, make_base_model
from serve_app.domain.model import Precision
from serve_app.engine.files import ModelError
from serve_app.engine.memory import weight_bytes
from serve_app.engine.model import Model
from serve_app.engine.options import EngineOptions

PRECISIONS = ("exact", "fast", "int8")


@dataclass(frozen=True, slots=True)
class Load:
    """One load. Memory in MiB, over what the process held before it.

    peak: the most that was resident at a time, pages of the mapped file included. private: what stays and no other
    process shares. weights: of the encoder in this precision, embedding tables included.
    """

    seconds: float
    peak: float
    private: float
    weights: float


def measure(directory: Path, precision: Precision) -> Load:
    """Load in this process."""
    before, private = status("VmRSS"), status("RssAnon")
    began = time.perf_counter()
    model = Model.load(directory, EngineOptions(device="cpu", precision=precision))
    seconds = time.perf_counter() - began
    return Load(
        seconds=seconds,
        peak=status("VmHWM") - before,
        private=status("RssAnon") - private,
        weights=weight_bytes(model.config.encoder, model.placement.dtype.itemsize) / 2**20,
    )


def status(key: str) -> float:
    """MiB that the kernel tells of this process under a name of /proc/self/status."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0]) / 1024
    raise RuntimeError(f"this system does not tell {key}; the benchmark needs Linux")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--model", type=Path, help="a model directory; default: random weights in bge-reranker-base's shape"
    )
    parser.add_argument("--one", choices=PRECISIONS, help="measure one precision in this process, print JSON")
    options = parser.parse_args()
    directory = options.model or make_base_model(BASE_MODEL)
    if options.one:
        try:
            print(json.dumps(asdict(measure(directory, options.one))))
        except ModelError as error:
            sys.exit(str(error))
        return
    table = Table("precision", "seconds", "weights MiB", "peak MiB", "peak / weights", "private MiB")
    console = Console()
    for precision in PRECISIONS:
        command = [sys.executable, "-m", "loadtest.bench.engine.loading", "--model", str(directory), "--one", precision]
        with console.status(f"loading: {precision}"):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            console.print(f"{precision}: {done.stderr.strip().splitlines()[-1]}", style="yellow")
            continue
        load = Load(**json.loads(done.stdout))
        numbers = (load.seconds, load.weights, load.peak, load.peak / load.weights, load.private)
        table.add_row(precision, *(f"{number:,.2f}" if number < 10 else f"{number:,.0f}" for number in numbers))
    console.print(table)


if __name__ == "__main__":
    main()
