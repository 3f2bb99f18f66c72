"""Documents a second of the engine, and its share of what the device's products alone could do."""

from collections.abc import Iterator
from functools import partial

from loadtest.bench.gpu.bench import SETS, Bench
from loadtest.bench.gpu.rows import Row, tried
from loadtest.bench.gpu.timing import cut, flops, pack, product_rate, product_shapes, score, seconds
from serve_app.domain.model import Precision
from serve_app.engine.model import Model

STEPS = (16_384, 4_096, 8_192, 32_768, 65_536)  # tokens


def rates(bench: Bench) -> Iterator[Row]:
    """The rate of a layer's products alone, of a full step's rows, in every type that the engine computes in."""
    for precision in ("exact", "fast"):
        yield from tried(f"products, {precision}", _rate(bench, precision))


def _rate(bench: Bench, precision: Precision) -> Iterator[Row]:
    model = bench.model(precision)
    rate = _measured_rate(bench, model)
    yield Row(f"a layer's four products alone, {model.precision}", rate / 1e12, "TFLOP/s")


def _measured_rate(bench: Bench, model: Model) -> float:
    shapes, placement = product_shapes(model.config.encoder), model.placement
    return product_rate(shapes, placement.device, placement.dtype, bench.step, bench.rounds)


def fast(bench: Bench) -> Iterator[Row]:
    """Documents a second in 16 bits: recorded in steps that the engine chooses, and launched in steps of any size."""
    yield from recorded(bench, "fast")
    yield from tried("fast", documents(bench, "fast", STEPS[:2] if bench.quick else STEPS))


def recorded(bench: Bench, precision: Precision) -> Iterator[Row]:
    """Documents a second of each set in recorded steps: of the size that the engine chooses, and full ones."""
    if bench.device == "cuda":
        yield from tried(f"{precision}, recorded", _recorded(bench, precision))


def _recorded(bench: Bench, precision: Precision) -> Iterator[Row]:
    model = bench.model(precision, cuda_graphs=True)
    rate = _measured_rate(bench, model)
    for step in dict.fromkeys([model.step_tokens, bench.step]):
        for name in SETS:
            title = f"{name}, {model.precision}, recorded, steps of {step:,}"
            yield one_set(bench, model, name, step, rate=rate, title=title)


def documents(bench: Bench, precision: Precision, steps: tuple[int, ...]) -> Iterator[Row]:
    """Documents a second of each set in steps of so many tokens, launched kernel by kernel."""
    model = bench.model(precision)
    rate = _measured_rate(bench, model)
    for step in steps:
        size = step * bench.step // STEPS[0]
        for name in SETS:
            title = f"{name}, {model.precision}, steps of {size:,}"
            yield one_set(bench, model, name, size, rate=rate, title=title)


def one_set(bench: Bench, model: Model, name: str, step: int, *, rate: float, title: str) -> Row:
    """Documents a second of a set. rate: FLOP/s of the products alone."""
    work = pack(bench.pairs(name, model=model))
    taken = seconds(partial(score, model, cut(work, step)), bench.rounds)
    share = flops(model.config.encoder, work.lengths) / taken / rate
    tokens = work.token_ids.size / taken
    rated = str(model.placement.dtype).removeprefix("torch.")
    note = f"{share:.0%} of the products' rate in {rated}; {tokens:,.0f} tokens/s"
    return Row(title, len(work) / taken, "documents/s", note=note)
