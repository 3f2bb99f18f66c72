"""What a scorer's memory and speed are when few kernels are kept, over steps of ever other sizes.

`python -m loadtest.bench.engine.kernels`: two processes have the same model, one with the engine's own bound of kernels
and one with oneDNN's default. They compute the same rounds in turn, so that a busy machine is as slow for both.
"""

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from loadtest.bench.engine.loading import status
from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import locate, resolve
from serve_app.domain.sequences import Sequences
from serve_app.engine import KERNEL_VARIABLES, KERNELS_KEPT
from serve_app.engine.options import EngineOptions
from serve_app.settings import EMBEDDED_MODEL

DEFAULT = "1024"  # oneDNN's, and that of torch's bridge to it
SMALL_SHARE = 0.9  # of steps: a query's, or a few documents'; the others are nearly full
FULL = 2_048


@dataclass(frozen=True, slots=True)
class Round:
    """What one process told of a round. mib: resident and its own."""

    seconds: float
    mib: float


def sizes_of(steps: int, seed: int) -> list[int]:
    """Tokens of each step of a round."""
    random = np.random.default_rng(seed)
    small = random.random(steps) < SMALL_SHARE
    return [int(random.integers(8, 600)) if few else int(random.integers(1_500, FULL + 1)) for few in small]


def compute(directory: Path) -> None:
    """Compute a round for each line on standard input: its number of steps and its seed."""
    from serve_app.engine.model import Model

    model = Model.load(directory, EngineOptions(device="cpu", threads=1))
    print(f"0 {status('RssAnon'):.1f}", flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        for tokens in sizes_of(*map(int, line.split())):
            model(Sequences.filler(tokens, -(-tokens // model.config.max_tokens)))
        print(f"{time.perf_counter() - began:.4f} {status('RssAnon'):.1f}", flush=True)


class Computing:
    """A process that computes, with so many kernels kept."""

    def __init__(self, directory: Path, kernels: str) -> None:
        command = [sys.executable, "-m", "loadtest.bench.engine.kernels", "--compute", str(directory)]
        environment = os.environ | dict.fromkeys(KERNEL_VARIABLES, kernels)
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.loaded = self.told()

    def told(self) -> Round:
        """What it tells next."""
        assert self.process.stdout
        seconds, mib = self.process.stdout.readline().split()
        return Round(float(seconds), float(mib))

    def round(self, steps: int, seed: int) -> Round:
        """Have it compute a round."""
        assert self.process.stdin
        self.process.stdin.write(f"{steps} {seed}\n")
        self.process.stdin.flush()
        return self.told()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=40, help="of a round")
    parser.add_argument("--model", type=Path, help="a model directory; default: the embedded model")
    parser.add_argument("--compute", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.compute:
        compute(options.compute)
        return
    directory = options.model or locate(resolve(EMBEDDED_MODEL, load_catalog()).source)
    computing = [Computing(directory, kernels) for kernels in (KERNELS_KEPT, DEFAULT)]
    ratios = []
    for number in range(options.rounds):
        turn = computing if number % 2 else computing[::-1]
        rounds = {id(each): each.round(options.steps, number) for each in turn}
        few, every = (rounds[id(each)] for each in computing)
        ratios.append(few.seconds / every.seconds)
        seconds = f"{few.seconds:.2f} s with {KERNELS_KEPT} kernels, {every.seconds:.2f} s with {DEFAULT}"
        print(f"{(number + 1) * options.steps} steps: {seconds}; {few.mib:,.0f} and {every.mib:,.0f} MiB", flush=True)
    for each in computing:
        assert each.process.stdin
        each.process.stdin.close()
        each.process.wait()
    loaded = ", ".join(f"{each.loaded.mib:,.0f}" for each in computing)
    print(f"median few / all of seconds: {median(ratios):.3f}; MiB when loaded: {loaded}")


if __name__ == "__main__":
    main()
