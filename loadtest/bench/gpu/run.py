"""The command: which parts run, for how long, and what becomes of what they find."""

import argparse
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from rich.console import Console
from transformers.utils import logging as transformers_logging

from loadtest.bench.gpu import attention, lost, memory, parity, precisions, profile, rival, shapes, small, speed, steps
from loadtest.bench.gpu.bench import Bench, Part
from loadtest.bench.gpu.report import Found, line, where, write
from loadtest.bench.gpu.rows import Row, skipped, tried
from tests.tiny_models import TinyModels


@dataclass(frozen=True, slots=True)
class Timed:
    """A part and the seconds after which it begins no further row."""

    run: Part
    budget_s: float


# What is most worth knowing comes first, and what may break the GPU's context for others last.
PARTS = {
    "rates": Timed(speed.rates, 25),
    "fast": Timed(speed.fast, 45),
    "small": Timed(small.small, 30),
    "profile": Timed(profile.of_a_step, 15),
    "parity": Timed(parity.parity, 60),
    "attention": Timed(attention.varlen, 20),
    "graphs": Timed(steps.graphs, 40),
    "invariance": Timed(steps.invariance, 30),
    "rivals": Timed(rival.rivals, 60),
    "precisions": Timed(precisions.precisions, 60),
    "shapes": Timed(shapes.published, 80),
    "memory": Timed(memory.memory, 20),
    "lost": Timed(lost.lost, 40),
}
# Under eight minutes with what begins before they are over.
ALL_S = 450
LEFT_OUT = "the rest is left out"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench-gpu", description="Prove and measure the engine on a GPU.")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu only shows that this runs")
    parser.add_argument("--quick", action="store_true", help="sizes that only show that this runs")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS), metavar="PART")
    parser.add_argument("--budget", type=float, help="seconds of each part, in place of its own")
    parser.add_argument(
        "--model", type=Path, help="a model directory (default: random weights, bge-reranker-base's shape)"
    )
    parser.add_argument("--report", type=Path, help="where to write what was found as JSON")
    options = parser.parse_args(arguments)
    if options.quick and not options.budget:
        options.budget = math.inf
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("bench-gpu: torch finds no CUDA device here; --device cpu --quick shows that the script runs")
    return options


def run_part(name: str, part: Part, bench: Bench, budget_s: float) -> Iterator[Row]:
    """The rows of a part; after so many seconds none begins any more, and the last one says so."""
    began = time.monotonic()
    for row in tried(name, part(bench)):
        yield row
        if time.monotonic() - began > budget_s:
            yield skipped(LEFT_OUT, f"the {budget_s:.0f} s of this part are over")
            return


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts; 1 where a check failed or an error came. arguments: in place of the process's own."""
    options = _options(arguments)
    transformers_logging.disable_progress_bar()
    progress, console = Console(stderr=True, highlight=False, soft_wrap=True), Console(width=160, highlight=False)
    place, began = where(options.device), time.monotonic()
    progress.print(place)
    found: dict[str, Found] = {}
    with TemporaryDirectory() as folder:
        bench = Bench(options.device, options.quick, options.model, TinyModels(Path(folder)))
        for name in options.parts:
            part, started = found.setdefault(name, Found()), time.monotonic()
            left_s = math.inf if options.quick else ALL_S - (started - began)
            budget_s = min(options.budget or PARTS[name].budget_s, left_s)
            rows = run_part(name, PARTS[name].run, bench, budget_s) if budget_s > 0 else iter([skipped(LEFT_OUT, "")])
            for row in rows:
                part.rows.append(row)
                part.seconds = time.monotonic() - started
                progress.print(f"{part.seconds:5.1f} {name}: {line(row)}", markup=False)
                if options.report:
                    write(options.report, place, found)
            bench.forget()
    for name, part in found.items():
        console.print(part.table(name))
    for what, names in _summary(found).items():
        console.print(f"{len(names)} {what}{':' if names else ''} {'; '.join(names)}", markup=False)
    return int(any(row.failed for part in found.values() for row in part.rows))


def _summary(found: Mapping[str, Found]) -> dict[str, list[str]]:
    """What failed, and which parts were not done to their end."""
    failed = [f"{name}: {row.name}" for name, part in found.items() for row in part.rows if row.failed]
    return {
        "failed": failed,
        "cut short": [name for name, part in found.items() if part.rows[-1].name == LEFT_OUT],
    }
