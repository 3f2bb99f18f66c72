"""Seconds and memory that loading a model takes: `make bench-load`.

Every precision is loaded in a process of its own, from a file that the system has read before.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from loadtest.bench.engine.base_model import BASE_MODEL, make_base_model
from loadtest.bench.engine.decoder_model import SHAPES, decoder_directory
from loadtest.bench.engine.peers.rayrank import load_decoder
from serve_app.domain.model import Precision
from serve_app.domain.sequences import Sequences
from serve_app.engine.files import ModelError
from serve_app.engine.memory import table_bytes, weight_bytes
from serve_app.engine.model import Model
from serve_app.engine.options import EngineOptions

PRECISIONS = ("exact", "fast", "int8")
STEP, SEQUENCE, STEPS = 2_048, 128, 3  # tokens of a step, of a sequence in it, and how many steps


@dataclass(frozen=True, slots=True)
class Load:
    """One load. Memory in MiB, over what the process held before it.

    peak: the most that was resident at a time, pages of the mapped file included. private: what stays and no other
    process shares. weights: of the model in this precision, embedding tables included. step: seconds that a step of
    STEP tokens takes at best. after: private when steps have been computed. peak_after: peak when they have.
    """

    seconds: float
    peak: float
    private: float
    weights: float
    step: float
    after: float
    peak_after: float


def measure(load: Callable[[], Model]) -> Load:
    """Load in this process."""
    before, private = status("VmRSS"), status("RssAnon")
    began = time.perf_counter()
    model = load()
    seconds = time.perf_counter() - began
    config = model.config
    numbers = model.placement.number_bytes(table_bytes(config.encoder, config.directory))
    peak, loaded = status("VmHWM") - before, status("RssAnon") - private
    return Load(
        seconds=seconds,
        peak=peak,
        private=loaded,
        weights=weight_bytes(config.encoder, numbers) / 2**20,
        step=min(_step_s(model) for _ in range(STEPS)),
        after=status("RssAnon") - private,
        peak_after=status("VmHWM") - before,
    )


def _load(directory: Path, precision: Precision, *, decoder: bool) -> Model:
    if decoder:
        return load_decoder(directory, precision)
    return Model.load(directory, EngineOptions(device="cpu", precision=precision))


def _step_s(model: Model) -> float:
    """Seconds of a step of random tokens, as many in each sequence as a passage with a query has."""
    lengths = np.full(STEP // SEQUENCE, SEQUENCE, dtype=np.int32)
    ids = np.random.default_rng(0).integers(0, model.config.encoder.vocabulary, lengths.sum(), dtype=np.int32)
    began = time.perf_counter()
    model(Sequences.plain(ids, lengths))
    return time.perf_counter() - began


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
    parser.add_argument("--decoder", choices=SHAPES, help="random weights in this decoder's shape instead")
    parser.add_argument("--one", choices=PRECISIONS, help="measure one precision in this process, print JSON")
    options = parser.parse_args()
    of_model = ["--decoder", options.decoder] if options.decoder else ["--model", str(options.model or BASE_MODEL)]
    directory = decoder_directory(options.decoder) if options.decoder else options.model or make_base_model(BASE_MODEL)
    if options.one:
        try:
            print(json.dumps(asdict(measure(lambda: _load(directory, options.one, decoder=bool(options.decoder))))))
        except ModelError as error:
            sys.exit(str(error))
        return
    table = Table(
        "precision",
        "seconds",
        "weights MiB",
        "peak MiB",
        "peak / weights",
        "private MiB",
        "s a step",
        "private then",
        "peak then",
    )
    console = Console()
    for precision in PRECISIONS:
        command = [sys.executable, "-m", "loadtest.bench.engine.loading", *of_model, "--one", precision]
        with console.status(f"loading: {precision}"):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            console.print(f"{precision}: {done.stderr.strip().splitlines()[-1]}", style="yellow")
            continue
        load = Load(**json.loads(done.stdout))
        numbers = [load.seconds, load.weights, load.peak, load.peak / load.weights, load.private]
        numbers += [load.step, load.after, load.peak_after]
        table.add_row(precision, *(f"{number:,.2f}" if number < 10 else f"{number:,.0f}" for number in numbers))
    console.print(table)


if __name__ == "__main__":
    main()
