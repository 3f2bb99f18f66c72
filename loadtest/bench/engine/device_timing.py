"""What is timed on one device: steps of the engine, the same by transformers, and bare matrix products."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForSequenceClassification

from loadtest.bench.engine.peers.work import Ids
from serve_app.domain.sequences import Rows, Sequences
from serve_app.engine.model import Model

BATCHES = (32, 128, 512)  # of transformers
WARM_UPS = 1
PAD = 1


def pack(rows: Ids) -> Sequences:
    """Sequences of these token ids."""
    lengths = np.array([row.size for row in rows], dtype=np.int32)
    return Sequences.plain(np.concatenate(rows).astype(np.int32), lengths)


def cut(work: Sequences, step_tokens: int) -> list[Sequences]:
    """Steps of at most this many tokens, in order; a longer sequence has one of its own."""
    steps, start, ends = [], 0, np.cumsum(work.lengths)
    while start < len(work):
        done = ends[start - 1] if start else 0
        end = max(int(np.searchsorted(ends, done + step_tokens, side="right")), start + 1)
        steps.append(work.take(np.arange(start, end)))
        start = end
    return steps


def score(model: Model, steps: list[Sequences]) -> Rows:
    """All logits, (sequences,): one step is prepared while another runs."""
    rows: list[Rows] = []
    waiting: Callable[[], Rows] | None = None
    for step in steps:
        started = model.start(step)
        if waiting:
            rows.append(waiting())
        waiting = started
    return np.concatenate([*rows, waiting()] if waiting else rows)[:, 0]


def seconds(run: Callable[[], object], rounds: int) -> float:
    """Median of some rounds."""
    taken = []
    for _ in range(WARM_UPS + rounds):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[WARM_UPS:])


def product_rate(model: Model, tokens: int, rounds: int) -> float:
    """FLOP/s of a layer's four products alone, in the model's precision."""
    hidden, inner = model.config.encoder.hidden, model.config.encoder.intermediate
    random = partial(torch.randn, device=model.placement.device, dtype=model.placement.dtype)
    shapes = [(3 * hidden, hidden), (hidden, hidden), (inner, hidden), (hidden, inner)]
    products = [(random(tokens, shape[1]), random(*shape)) for shape in shapes]

    def run() -> None:
        for _ in range(10):
            for x, weight in products:
                y = torch.nn.functional.linear(x, weight)
        y[0, 0].item()  # waits

    return 10 * sum(2 * tokens * outputs * inputs for outputs, inputs in shapes) / seconds(run, rounds)


def flops(model: Model, lengths: NDArray[np.int32]) -> float:
    """Of all layers in full, attention included."""
    config, tokens = model.config.encoder, lengths.astype(np.float64)
    weights = 4 * config.hidden**2 + 2 * config.hidden * config.intermediate
    return float((config.layers * (2 * tokens * weights + 4 * tokens**2 * config.hidden)).sum())


def transformers_seconds(directory: Path, model: Model, rows: Ids, rounds: int) -> tuple[float, int]:
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

    return min((seconds(partial(run, batch), rounds), batch) for batch in BATCHES if batch <= max(len(rows), 32))


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
