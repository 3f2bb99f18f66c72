"""The engine on a GPU: documents/s by the size of a step, beside transformers on the same device: `make bench-gpu`.

Random weights in the shape of bge-reranker-base. The next step is prepared while one runs, as the scheduler does it.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from model_directories import base_directory
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sets import LENGTHS, draw
from transformers import AutoModelForSequenceClassification

from serve_app.domain.sequences import Sequences
from serve_app.engine.graphs import SHAPES
from serve_app.engine.model import Model
from serve_app.settings import EngineSettings, Precision

STEPS = (4_096, 8_192, 16_384, 32_768, 65_536)  # tokens
BATCHES = (32, 128, 512)  # of transformers
COMPARED = 64  # sequences whose logits are held against float32's
WARM_UPS, ROUNDS = 1, 3
PAD = 1

Logits = NDArray[np.float32]


def pack(rows: list[NDArray[np.int64]]) -> Sequences:
    """Sequences of these token ids."""
    lengths = np.array([row.size for row in rows], dtype=np.int32)
    return Sequences(np.concatenate(rows).astype(np.int32), lengths, lengths)


def cut(work: Sequences, step_tokens: int) -> list[Sequences]:
    """Steps of at most so many tokens, in order; a longer sequence has one of its own."""
    steps, start, ends = [], 0, np.cumsum(work.lengths)
    while start < len(work):
        done = ends[start - 1] if start else 0
        end = max(int(np.searchsorted(ends, done + step_tokens, side="right")), start + 1)
        steps.append(work.take(np.arange(start, end)))
        start = end
    return steps


def score(model: Model, steps: list[Sequences]) -> Logits:
    """All logits, one step being prepared while another runs."""
    rows, waiting = [], None
    for step in steps:
        started = model.start(step)
        if waiting:
            rows.append(waiting())
        waiting = started
    return np.concatenate([*rows, waiting()] if waiting else rows)[:, 0]


def seconds(run: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Median of some rounds."""
    taken = []
    for _ in range(WARM_UPS + rounds):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[WARM_UPS:])


def product_rate(model: Model, tokens: int) -> float:
    """FLOP/s of a layer's four products alone, in the model's precision."""
    hidden, inner = model.config.hidden, model.config.intermediate
    place = {"device": model.placement.device, "dtype": model.placement.dtype}
    shapes = [(3 * hidden, hidden), (hidden, hidden), (inner, hidden), (hidden, inner)]
    products = [(torch.randn(tokens, shape[1], **place), torch.randn(*shape, **place)) for shape in shapes]

    def run() -> None:
        for _ in range(10):
            for x, weight in products:
                y = torch.nn.functional.linear(x, weight)
        y[0, 0].item()  # waits

    return 10 * sum(2 * tokens * outputs * inputs for outputs, inputs in shapes) / seconds(run)


def flops(model: Model, lengths: NDArray[np.int32]) -> float:
    """Of all layers in full, attention included."""
    config, tokens = model.config, lengths.astype(np.float64)
    weights = 4 * config.hidden**2 + 2 * config.hidden * config.intermediate
    return float((config.layers * (2 * tokens * weights + 4 * tokens**2 * config.hidden)).sum())


def peer(directory: Path, model: Model, rows: list[NDArray[np.int64]]) -> tuple[float, int]:
    """Seconds of transformers for the same sequences at its best batch size, and that size."""
    dtype, device = model.placement.dtype, model.placement.device
    other = AutoModelForSequenceClassification.from_pretrained(directory, attn_implementation="sdpa", dtype=dtype)
    other = other.eval().to(device)

    def run(batch: int) -> None:
        logits = []
        for start in range(0, len(rows), batch):
            some = rows[start : start + batch]
            ids = torch.full((len(some), max(row.size for row in some)), PAD)
            for number, row in enumerate(some):
                ids[number, : row.size] = torch.from_numpy(row)
            mask = (torch.arange(ids.shape[1]) < torch.tensor([row.size for row in some])[:, None]).long()
            with torch.inference_mode():
                logits.append(other(input_ids=ids.to(device), attention_mask=mask.to(device)).logits)
        torch.cat(logits).cpu()

    return min((seconds(lambda batch=batch: run(batch)), batch) for batch in BATCHES if batch <= max(len(rows), 32))


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


def waits(model: Model, step: Sequences) -> str:
    """Whether starting a step waits for the device: torch tells of it on CUDA alone."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        model.start(step)
    except RuntimeError as error:
        return f"waits for the device: {str(error).splitlines()[0]}"
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return "waits for nothing"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu only shows that this runs")
    parser.add_argument("--precision", choices=("exact", "fast"), default="fast")
    parser.add_argument("--model", type=Path, help="a model directory (default: random weights, base shape)")
    parser.add_argument("--sets", nargs="+", choices=sorted(LENGTHS), default=list(LENGTHS))
    parser.add_argument("--tokens", type=int, default=524_288, help="tokens of each set, about")
    parser.add_argument("--singles", type=int, default=50, help="times that a small step is computed")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("bench-gpu: torch finds no CUDA device here; --device cpu shows that the script runs")
    console = Console()
    directory = options.model or base_directory()

    def load(precision: Precision, *, cuda_graphs: bool = True) -> Model:
        return Model.load(directory, EngineSettings(options.device, precision, cuda_graphs=cuda_graphs))

    model, exact = load(options.precision), load("exact")
    name = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
    rate = product_rate(model, min(16_384, options.tokens))
    console.print(f"{name}, {model.placement.dtype}, products alone {rate / 1e12:.1f} TFLOP/s", highlight=False)
    launched = load(options.precision, cuda_graphs=False)
    console.print(small_steps(model, launched, options.singles))
    if options.device == "cuda":
        for tokens in (SHAPES[-1][0], STEPS[0]):
            step = Sequences.filler(tokens, -(-tokens // model.config.max_tokens))
            console.print(f"to start a step of {tokens:,} tokens {waits(model, step)}", highlight=False)
    del launched
    for each in options.sets:
        count = max(options.tokens // LENGTHS[each][0], 2)
        rows = [row[: model.config.max_tokens] % model.config.vocabulary for row in draw(each, count)]
        work = pack(rows)
        table = Table(title=f"{each}: {count} pairs, {work.token_ids.size:,} tokens")
        table.add_column("contender", no_wrap=True)
        for column in ("documents/s", "to transformers", "of the product rate"):
            table.add_column(column, justify="right")
        took, batch = peer(directory, model, rows)
        found = {f"transformers, batch {batch}": took}
        for step in STEPS:
            steps = cut(work, step)
            found[f"rayrank, steps of {step:,}"] = seconds(lambda steps=steps: score(model, steps))
        for contender, own in found.items():
            share = flops(model, work.lengths) / own / rate
            table.add_row(contender, f"{count / own:,.0f}", f"×{took / own:.2f}", f"{share:.0%}")
        console.print(table)
        some = pack(rows[:COMPARED])
        one = pack(rows[:1])
        delta = np.abs(model(some) - exact(some)).max()
        alone = seconds(partial(model, one), options.singles)
        console.print(
            f"max Δlogit to float32 {delta:.0e}; one document of {one.token_ids.size} tokens {alone * 1e3:.2f} ms"
        )


if __name__ == "__main__":
    main()
