"""The engine on a GPU: documents/s by the size of a step, beside transformers on the same device: `make bench-gpu`.

Random weights in the shape of bge-reranker-base. The next step is prepared while one runs, as the scheduler does it.
"""

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from loadtest.bench.engine.device_timing import (
    cut,
    flops,
    pack,
    product_rate,
    score,
    seconds,
    transformers_seconds,
    waits,
)
from loadtest.bench.engine.model_directories import base_directory
from loadtest.bench.engine.peers.work import Ids
from loadtest.bench.engine.sets import LENGTHS, draw
from serve_app.domain.model import Precision
from serve_app.domain.sequences import Sequences
from serve_app.engine.graphs import SHAPES
from serve_app.engine.model import Model
from serve_app.engine.options import EngineOptions

STEPS = (4_096, 8_192, 16_384, 32_768, 65_536)  # tokens
COMPARED = 64  # sequences whose logits are held against float32's


def small_steps(model: Model, launched: Model, rounds: int) -> Table:
    """Milliseconds from a small step's start to its rows; launched: the same model, without graphs."""
    table = Table(title="small steps, three quarters of a recorded shape")
    for column in ("tokens", "documents", "recorded ms", "launched ms"):
        table.add_column(column, justify="right")
    for tokens, count in SHAPES:
        longest = model.config.max_tokens
        step = Sequences.filler(tokens * 3 // 4, max(count // 4, -(-tokens // longest)))
        taken = (seconds(partial(each, step), rounds) for each in (model, launched))
        table.add_row(f"{step.token_ids.size:,}", str(len(step)), *(f"{one * 1e3:.2f}" for one in taken))
    return table


def set_table(name: str, directory: Path, model: Model, rows: Ids, *, rate: float, rounds: int) -> Table:
    """Documents a second of a set by the size of a step. rate: FLOP/s of the products alone."""
    work = pack(rows)
    table = Table(title=f"{name}: {len(rows)} pairs, {work.token_ids.size:,} tokens")
    table.add_column("contender", no_wrap=True)
    for column in ("documents/s", "to transformers", "of the product rate"):
        table.add_column(column, justify="right")
    took, batch = transformers_seconds(directory, model, rows, rounds)
    found = {f"transformers, batch {batch}": took}
    for step in STEPS:
        found[f"rayrank, steps of {step:,}"] = seconds(partial(score, model, cut(work, step)), rounds)
    for contender, own in found.items():
        share = flops(model, work.lengths) / own / rate
        table.add_row(contender, f"{len(rows) / own:,.0f}", f"×{took / own:.2f}", f"{share:.0%}")
    return table


def compared(model: Model, exact: Model, rows: Ids, rounds: int) -> str:
    """How far the logits are from float32's, and what one document takes."""
    some, one = pack(rows[:COMPARED]), pack(rows[:1])
    delta = np.abs(model(some) - exact(some)).max()
    alone = seconds(partial(model, one), rounds)
    return f"max Δlogit to float32 {delta:.0e}; one document of {one.token_ids.size} tokens {alone * 1e3:.2f} ms"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench-gpu", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu only shows that this runs")
    parser.add_argument("--precision", choices=("exact", "fast"), default="fast")
    parser.add_argument("--model", type=Path, help="a model directory (default: random weights, base shape)")
    parser.add_argument("--sets", nargs="+", choices=sorted(LENGTHS), default=list(LENGTHS))
    parser.add_argument("--tokens", type=int, default=524_288, help="tokens of each set, about")
    parser.add_argument("--rounds", type=int, default=3, help="times that a set is computed (default: 3)")
    parser.add_argument("--singles", type=int, default=50, help="times that a small step is computed")
    parser.add_argument("--threads", type=int, help="of the CPU (default: one a core)")
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("bench-gpu: torch finds no CUDA device here; --device cpu shows that the script runs")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print. arguments: of the command line, in place of the process's own."""
    options = _options(arguments)
    console = Console()
    directory = options.model or base_directory()

    def load(precision: Precision, *, cuda_graphs: bool = True) -> Model:
        engine = EngineOptions(
            device=options.device, precision=precision, threads=options.threads, cuda_graphs=cuda_graphs
        )
        return Model.load(directory, engine)

    model, exact = load(options.precision), load("exact")
    name = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
    rate = product_rate(model, min(16_384, options.tokens), options.rounds)
    console.print(f"{name}, {model.placement.dtype}, products alone {rate / 1e12:.1f} TFLOP/s", highlight=False)
    console.print(small_steps(model, load(options.precision, cuda_graphs=False), options.singles))
    if options.device == "cuda":
        for tokens in (SHAPES[-1][0], STEPS[0]):
            step = Sequences.filler(tokens, -(-tokens // model.config.max_tokens))
            console.print(f"to start a step of {tokens:,} tokens {waits(model, step)}", highlight=False)
    for each in options.sets:
        count = max(options.tokens // LENGTHS[each][0], 2)
        rows = [row[: model.config.max_tokens] % model.config.encoder.vocabulary for row in draw(each, count)]
        console.print(set_table(each, directory, model, rows, rate=rate, rounds=options.rounds))
        console.print(compared(model, exact, rows, options.singles))


if __name__ == "__main__":
    main()
