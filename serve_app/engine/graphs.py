"""Small steps as CUDA graphs, because Python takes longer to launch their kernels than a GPU takes to compute them.

A graph repeats what was recorded, with the same shapes at the same addresses. So a step is filled up to a recorded
shape with sequences of zeros. These are sequences of their own and do not change the rows of the others.
"""

import logging
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from serve_app.domain.sequences import Sequences
from serve_app.engine.layers.packed import Packed, buffer
from serve_app.engine.layers.placement import Placement

log = logging.getLogger("rayrank.graphs")

# Tokens and sequences of the recorded steps. A larger step computes for longer than it takes to launch.
SHAPES = ((128, 8), (256, 16), (512, 32), (1_024, 64), (2_048, 128), (3_072, 192))

Run = Callable[[], torch.Tensor]
# Runs a function once and returns a function that repeats it.
Recorder = Callable[[Run], Run]


class CudaRecorder:
    """Records CUDA graphs in one shared memory: one runs at a time, and its rows are copied before the next runs."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, run: Run) -> Run:
        """A function that repeats the run and returns the same tensor each time, with new numbers in it.

        Raises RuntimeError when CUDA refuses to record.
        """
        # A first run, on a stream of its own: it loads kernels, which cannot be recorded.
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            run()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            rows = run()

        def repeat() -> torch.Tensor:
            graph.replay()
            return rows

        return repeat


class Graphs:
    """Recorded steps by their shapes. Where recording fails there are none, and steps are launched kernel by kernel.

    forward: gives the rows of a step; may depend on its tensors and their shapes alone. positions: see Encoder.
    max_tokens: the longest sequence that the model reads. record: makes what repeats a run.
    """

    def __init__(
        self,
        forward: Callable[[Packed], torch.Tensor],
        positions: Callable[[Sequences], NDArray[np.int64]],
        placement: Placement,
        max_tokens: int,
        record: Recorder,
    ) -> None:
        self._positions, self._placement, self._max_tokens = positions, placement, max_tokens
        self._recorded: list[tuple[tuple[int, int], torch.Tensor, Run]] = []
        # The largest is recorded first, so that its memory serves the others, and tried last.
        for shape in reversed(SHAPES):
            sample = Sequences.filler(*shape)
            held = placement.send(buffer(sample, positions(sample))).clone()
            step = Packed.cut(held, sample.lengths.tolist(), min(max_tokens, shape[0]))
            try:
                self._recorded.insert(0, (shape, held, record(lambda step=step: forward(step))))  # type: ignore[misc]
            except RuntimeError as error:
                log.warning("no CUDA graphs", extra={"error": str(error).splitlines()[0], "tokens": shape[0]})
                self._recorded.clear()
                break

    def __call__(self, sequences: Sequences) -> torch.Tensor | None:
        """Rows of a step, (sequences, width); None for a step that fits no recorded shape.

        The next call overwrites them: copy them before.
        """
        for (tokens, count), held, repeat in self._recorded:
            filled = sequences.filled_up(tokens, count, self._max_tokens)
            if filled is not None:
                self._placement.send(buffer(filled, self._positions(filled)), into=held)
                return repeat()[: len(sequences)]
        return None
