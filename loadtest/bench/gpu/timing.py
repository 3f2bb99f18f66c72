"""What is timed: steps of the engine as its scheduler runs them, and bare matrix products."""

import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from loadtest.bench.engine.peers.work import Ids
from serve_app.domain.sequences import Rows, Sequences
from serve_app.engine.model import Model
from serve_app.engine.models.config import EncoderConfig

WARM_UPS = 1
PRODUCTS = 10  # of each shape in a round


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
    """All rows, float32 (sequences, width): one step is prepared while another runs."""
    rows: list[Rows] = []
    waiting: Callable[[], Rows] | None = None
    for step in steps:
        started = model.start(step)
        if waiting:
            rows.append(waiting())
        waiting = started
    return np.concatenate([*rows, waiting()] if waiting else rows)


def seconds(run: Callable[[], object], rounds: int) -> float:
    """Median of some rounds."""
    taken = []
    for _ in range(WARM_UPS + rounds):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[WARM_UPS:])


def product_shapes(config: EncoderConfig) -> list[tuple[int, int]]:
    """Outputs and inputs of a layer's four products."""
    hidden, inner = config.hidden, config.intermediate
    return [(3 * hidden, hidden), (hidden, hidden), (inner, hidden), (hidden, inner)]


def product_rate(
    shapes: list[tuple[int, int]], device: torch.device, dtype: torch.dtype, tokens: int, rounds: int
) -> float:
    """FLOP/s of these products alone, of so many rows."""
    random = partial(torch.randn, device=device, dtype=dtype)
    products = [(random(tokens, shape[1]), random(*shape)) for shape in shapes]

    def run() -> None:
        with torch.inference_mode():
            for x, weight in products:
                for _ in range(PRODUCTS):
                    y = torch.nn.functional.linear(x, weight)
            y[0, 0].item()  # waits

    return PRODUCTS * sum(2 * tokens * outputs * inputs for outputs, inputs in shapes) / seconds(run, rounds)


def flops(config: EncoderConfig, lengths: NDArray[np.int32]) -> float:
    """Of all layers in full, attention included."""
    tokens = lengths.astype(np.float64)
    weights = 4 * config.hidden**2 + 2 * config.hidden * config.intermediate
    return float((config.layers * (2 * tokens * weights + 4 * tokens**2 * config.hidden)).sum())


def waits(model: Model, step: Sequences) -> str:
    """What in starting a step waits for the device, "" for nothing; torch tells of it on CUDA alone."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        model.start(step)
    except RuntimeError as error:
        return str(error).splitlines()[0]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return ""
