"""The other precisions beside 16 bits: documents a second, and how far they rank as float32 does."""

from collections.abc import Iterator

import numpy as np

from loadtest.bench.gpu.bench import Bench
from loadtest.bench.gpu.rows import Row, skipped, tried
from loadtest.bench.gpu.speed import STEPS, documents, recorded
from loadtest.bench.gpu.timing import cut, pack, score
from serve_app.domain.model import Precision
from serve_app.evaluation.agreement import rank_correlation


def precisions(bench: Bench) -> Iterator[Row]:
    """Documents a second in FP8 and in float32, and the agreement of each precision with float32."""
    if not bench.eight_bits:
        yield skipped("fp8", "on a GPU alone, where the engine has it")
    for precision in bench.eight_bits:
        yield from recorded(bench, precision)
        yield from tried(precision, documents(bench, precision, STEPS[:1]))
    yield from tried("exact", documents(bench, "exact", STEPS[:1]))
    for precision in ("fast", *bench.eight_bits):
        yield from tried(precision, _agreement(bench, precision))


def _agreement(bench: Bench, precision: Precision) -> Iterator[Row]:
    exact, model = bench.model("exact"), bench.model(precision)
    steps = cut(pack(bench.pairs("mixed", 4 * bench.step, model=model)), bench.step)
    found, expected = (score(each, steps)[:, 0] for each in (model, exact))
    spread = f"{expected.min():.3f} … {expected.max():.3f}, {expected.size} pairs, random weights"
    yield Row(f"{model.precision}, logits", float(np.abs(found - expected).max()), "max Δ", note=spread)
    yield Row(f"{model.precision}, Spearman to float32", rank_correlation(found[None], expected[None]), "")
