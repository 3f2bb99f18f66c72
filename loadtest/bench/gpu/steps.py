"""What must not change a row: the other sequences of its step, and whether the step is recorded or launched."""

import logging
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from loadtest.bench.gpu.bench import Bench
from loadtest.bench.gpu.parity import BOUNDS, FIRST_ID, drawn
from loadtest.bench.gpu.rows import Row, skipped, tried, wrong
from loadtest.bench.gpu.timing import pack
from serve_app.domain.model import HeadKind, Precision
from serve_app.domain.sequences import Rows, Sequences
from serve_app.engine.graphs import Shape, recorded_shapes
from serve_app.engine.model import Model
from tests.tiny_models import FAMILIES, lacking

ALONE = 12  # sequences that are computed by themselves, too
FILLED = 0.95  # of a large recorded shape: with less in it, it is not taken
# Where all shapes are the same, so are the kernels, and a row is the same to the last bit.
SAME = 0.0


def invariance(bench: Bench) -> Iterator[Row]:
    """How far a row moves with what else is in its step."""
    for name, directory in _models(bench):
        for precision in ("exact", "fast", *bench.eight_bits):
            yield from tried(f"{name}, {precision}", _neighbours(bench, directory, precision, name))


def _models(bench: Bench) -> Iterator[tuple[str, Path]]:
    for family in FAMILIES[:1] if bench.quick else FAMILIES:
        if not lacking(family):
            yield family, bench.tiny[family, "classification"].directory
    if not bench.quick:
        yield "base", bench.measured()


def _neighbours(bench: Bench, directory: Path, precision: Precision, name: str) -> Iterator[Row]:
    model = bench.load(directory, precision)
    step = drawn(model).sequences
    title, bound = f"{name}, {model.precision}", BOUNDS.get((model.precision, "classification"))
    rows = model(step)
    chance = np.random.default_rng(11)
    chosen = np.sort(chance.choice(len(step), ALONE, replace=False))
    alone = np.concatenate([model(step.take(chosen[place : place + 1])) for place in range(ALONE)])
    yield _most(f"{title}, alone or among others", rows[chosen], alone, bound)
    yield _most(f"{title}, among fewer", rows[chosen], model(step.take(chosen)), bound)
    yield _most(f"{title}, the same step again", rows, model(step), SAME)
    others = _with_other_neighbours(step, chosen, model)
    yield _most(f"{title}, others of the same lengths beside it", rows[chosen], model(others)[chosen], SAME)


def _with_other_neighbours(step: Sequences, kept: np.ndarray, model: Model) -> Sequences:
    """The step with other token ids in all sequences but those that are kept."""
    chance = np.random.default_rng(12)
    token_ids = chance.integers(FIRST_ID, model.config.encoder.vocabulary, step.token_ids.size).astype(np.int32)
    stays = np.repeat(np.isin(np.arange(len(step)), kept), step.lengths)
    token_ids[stays] = step.token_ids[stays]
    return Sequences(token_ids, step.lengths, step.first_segments, step.prompt_lengths)


def graphs(bench: Bench) -> Iterator[Row]:
    """How far rows of recorded steps are from those of the same steps, launched."""
    if bench.device == "cpu":
        yield skipped("recorded steps", "graphs take a GPU")
        return
    for name, directory in _models(bench):
        yield from tried(name, _recorded(bench, directory, "fast", name))
    for precision in bench.eight_bits:
        yield from tried(f"base, {precision}", _recorded(bench, bench.measured(), precision, "base"))
    # Pooling reads where each sequence begins and ends, filler's too.
    for family in FAMILIES:
        if not lacking(family):
            directory, name = bench.tiny[family, "embedding"].directory, f"{family}, embedding"
            yield from tried(name, _recorded(bench, directory, "fast", name, "embedding"))


class _Refusals(logging.Handler):
    """What the engine logs where it records nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(f"{record.getMessage()}: {record.__dict__.get('error')}")


def _recorded(
    bench: Bench, directory: Path, precision: Precision, name: str, head: HeadKind = "classification"
) -> Iterator[Row]:
    refusals, log = _Refusals(), logging.getLogger("rayrank.graphs")
    log.addHandler(refusals)
    try:
        recorded = bench.load(directory, precision, cuda_graphs=True)
    finally:
        log.removeHandler(refusals)
    launched = bench.load(directory, precision)
    title, bound = f"{name}, {launched.precision}", BOUNDS.get((launched.precision, head))
    if not launched.by_shape_alone:
        yield skipped(title, "steps of one shape launch other kernels")
        return
    yield wrong(f"{title}, recorded at load", bool(refusals.found), "; ".join(refusals.found))
    chance, same, near = np.random.default_rng(13), [], []
    shapes = recorded_shapes(recorded.step_tokens, recorded.config.max_tokens)
    for shape in shapes:
        whole = _filled(shape, launched, chance)
        assert whole is not None
        same.append(_difference(recorded(whole), launched(whole)))
        some = whole.take(np.arange(math.ceil(shape.count * (FILLED if shape.least else 0.5))))
        near.append(_difference(recorded(some), launched(some)))
        if (long := _filled(replace(shape, count=-(-3 * shape.count // 4)), launched, chance)) is not None:
            near.append(_difference(recorded(long), launched(long)))  # what fills it up has no tokens
    yield Row(f"{title}, {len(shapes)} recorded shapes", float(np.max(same)), "max Δ", bound=SAME)
    yield Row(f"{title}, steps that are filled up to them", float(np.max(near)), "max Δ", bound=bound)


def _filled(shape: Shape, model: Model, chance: np.random.Generator) -> Sequences | None:
    """Drawn sequences, longest first, that have all tokens of a shape; None where they are too few for that."""
    lengths = Sequences.filler(shape.tokens, shape.count).lengths[::-1]
    if lengths[0] > shape.longest:
        return None
    if lengths[0] < shape.longest:
        half = shape.count // 2
        lengths[:half] += 1
        lengths[shape.count - half :] -= 1
    return pack([chance.integers(FIRST_ID, model.config.encoder.vocabulary, length) for length in lengths])


def _most(name: str, found: Rows, expected: Rows, bound: float | None) -> Row:
    return Row(name, _difference(found, expected), "max Δ", bound=bound)


def _difference(found: Rows, expected: Rows) -> float:
    return float(np.abs(found - expected).max())
