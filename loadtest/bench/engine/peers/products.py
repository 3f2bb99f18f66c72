"""A layer's four matrix products in float32 and nothing else: what this machine can do."""

from pathlib import Path

from loadtest.bench.engine.peers.work import THREADS, Start

HIDDEN, INTERMEDIATE, ROWS, TIMES = 768, 3_072, 2_048, 30
SHAPES = [(3 * HIDDEN, HIDDEN), (HIDDEN, HIDDEN), (INTERMEDIATE, HIDDEN), (HIDDEN, INTERMEDIATE)]
FLOPS = TIMES * sum(2 * ROWS * outputs * inputs for outputs, inputs in SHAPES)


def sequences(directory: Path) -> Start:  # noqa: ARG001
    """The products, whatever the work is."""
    import torch

    from serve_app.engine.layers.linear import linear

    torch.set_num_threads(THREADS)
    layers = [
        (linear(torch.randn(shape) * 0.02, torch.zeros(shape[0])), torch.randn(ROWS, shape[1])) for shape in SHAPES
    ]

    def run(_: object) -> None:
        with torch.inference_mode():
            for _ in range(TIMES):
                for product, x in layers:
                    product(x)

    return lambda _: run
