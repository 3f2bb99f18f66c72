"""Small steps as CUDA graphs: Python takes longer to launch their kernels, over a hundred, than a GPU to compute them.

A graph repeats what was recorded, with the same shapes at the same addresses. So a step is filled up to such a shape
with sequences that nobody asked for: being sequences of their own, they change no other one's rows.
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

# Tokens and sequences of what is recorded. A larger step computes for longer than it takes to launch.
SHAPES = ((128, 8), (256, 16), (512, 32), (1_024, 64), (2_048, 128), (3_072, 192))

Run = Callable[[], torch.Tensor]
# Runs what it is given and gives what repeats it.
Recorder = Callable[[Run], Run]


class CudaRecorder:
    """Records CUDA graphs, which share their memory: one runs at a time, and its rows are copied before the next."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, run: Run) -> Run:
        """Repeating gives the same tensor every time, with new numbers in it. Raises RuntimeError when CUDA refuses."""
        # Once before, beside other work: the first run of a kernel loads it, which cannot be recorded.
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
    """Recorded steps by their shapes; none where recording failed, and all steps are then launched kernel by kernel.

    forward: rows of a step, which must depend on its tensors and shapes alone. positions: as an encoder gives them.
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
        # The largest first, so that its memory serves the others; it is asked last.
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
        """Rows of a step, (sequences, width), to be copied before the next call; None for a step that fits no graph."""
        for (tokens, count), held, repeat in self._recorded:
            filled = sequences.filled_up(tokens, count, self._max_tokens)
            if filled is not None:
                self._placement.send(buffer(filled, self._positions(filled)), into=held)
                return repeat()[: len(sequences)]
        return None
