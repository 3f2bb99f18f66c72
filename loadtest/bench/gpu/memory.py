"""A step that does not fit into the GPU's memory: it is refused by name, and smaller ones go on."""

from collections.abc import Iterator

import numpy as np
import torch

from loadtest.bench.gpu.bench import Bench
from loadtest.bench.gpu.rows import Row, skipped, tried, wrong
from serve_app.domain.sequences import Sequences
from serve_app.scheduling.device import StepTooLargeError

LARGE, SMALL = 131_072, 512  # tokens
# Beside the weights: enough for the small step, a fraction of what the large one takes.
ROOM = 160 * 2**20


def memory(bench: Bench) -> Iterator[Row]:
    """Whether a step too large is told from other failures, leaves nothing behind, and the next one is computed."""
    if bench.device == "cpu":
        yield skipped("a step that does not fit", "only a GPU's memory can be made small")
        return
    yield from tried("a step that does not fit", _too_large(bench))


def _too_large(bench: Bench) -> Iterator[Row]:
    model = bench.load(bench.measured(), "fast")
    small, large = (Sequences.filler(tokens, tokens // 128) for tokens in (SMALL, LARGE))
    expected = model(small)
    bench.forget()
    before = torch.cuda.memory_allocated()
    fraction = (torch.cuda.memory_reserved() + ROOM) / torch.cuda.get_device_properties().total_memory
    torch.cuda.set_per_process_memory_fraction(fraction)
    try:
        try:
            model(large)
            said = "it was computed"
        except StepTooLargeError as error:
            said = str(error)
        yield wrong(f"{LARGE:,} tokens are refused", "do not fit into memory" not in said, said)
        left = torch.cuda.memory_allocated() - before
        yield Row("left in memory by a step that did not fit", left / 2**20, "MiB", bound=0)
        difference = float(abs(model(small) - expected).max())
        yield Row(f"{SMALL:,} tokens afterwards", difference, "max Δ", bound=0)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    finite = bool(np.isfinite(model(large)).all())
    yield wrong(f"{LARGE:,} tokens once there is memory again", not finite)
