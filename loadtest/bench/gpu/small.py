"""How long few documents take, launched kernel by kernel or recorded as a CUDA graph."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

from loadtest.bench.gpu.bench import Bench
from loadtest.bench.gpu.rows import Row, skipped, tried, wrong
from loadtest.bench.gpu.timing import pack, seconds, waits
from serve_app.domain.sequences import Sequences
from serve_app.engine.graphs import SMALL
from serve_app.engine.model import Model

DOCUMENTS = (1, 10, 100)


def small(bench: Bench) -> Iterator[Row]:
    """Milliseconds from a step's start to its rows."""
    yield from tried("launched", _launched(bench))
    if bench.device == "cuda":
        yield from tried("recorded", _recorded(bench))
    else:
        yield skipped("recorded", "graphs take a GPU")


def _launched(bench: Bench) -> Iterator[Row]:
    model = bench.model("fast")
    yield Row("a step as the engine chooses it", float(model.step_tokens), "tokens")
    yield from _rows(bench, model, "launched")
    full = Sequences.filler(bench.step, bench.step // 128)
    yield Row("the host's time to start a full step", 1e3 * _start_seconds(bench, model, full), "ms")
    yield Row("a full step from its start to its rows", 1e3 * seconds(partial(model, full), bench.rounds), "ms")
    if bench.device == "cuda":
        why = waits(model, full)
        yield wrong("starting a full step waits for nothing", bool(why), why)


def _recorded(bench: Bench) -> Iterator[Row]:
    model = bench.model("fast", cuda_graphs=True)
    yield from _rows(bench, model, "recorded")
    for tokens, count in SMALL:
        step = Sequences.filler(tokens, count)
        yield Row(
            f"recorded, {tokens:,} tokens", 1e3 * seconds(partial(model, step), bench.singles), "ms",
            note=f"launched {1e3 * seconds(partial(bench.model('fast'), step), bench.singles):.2f} ms",
        )  # fmt: skip


def _rows(bench: Bench, model: Model, how: str) -> Iterator[Row]:
    rows = bench.pairs("128", 100 * 128, model=model)
    for count in DOCUMENTS:
        step = pack(rows[:count])
        yield Row(
            f"{how}, {count} documents of {rows[0].size} tokens",
            1e3 * seconds(partial(model, step), bench.singles),
            "ms",
        )


def _start_seconds(bench: Bench, model: Model, step: Sequences) -> float:
    taken = []
    for _ in range(bench.singles):
        began = time.perf_counter()
        rows: Callable[[], object] = model.start(step)
        taken.append(time.perf_counter() - began)
        rows()
    return median(taken)
