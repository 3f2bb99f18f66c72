"""Steps as CUDA graphs, because Python takes long to launch their kernels, and nothing else runs meanwhile.

A graph repeats what was recorded, with the same shapes at the same addresses. So a step is filled up to a recorded
shape with sequences of zeros. These are sequences of their own and do not change the rows of the others.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from serve_app.domain.sequences import Sequences
from serve_app.engine.failures import first_line, is_out_of_memory
from serve_app.engine.layers.packed import Packed, buffer
from serve_app.engine.layers.placement import Placement

log = logging.getLogger("rayrank.graphs")


@dataclass(frozen=True, slots=True)
class Shape:
    """A recorded step.

    tokens, count: its tokens and sequences, filler included. longest: tokens that a sequence of it may have. least:
    tokens of a step that is worth filling up.
    """

    tokens: int
    count: int
    longest: int
    least: int = 0


# Steps so small that a GPU computes filler in the time that launching would take.
SMALL = ((128, 8), (256, 16), (512, 32), (1_024, 64), (2_048, 128), (3_072, 192))
LARGE = (4_096, 6_144, 8_192, 12_288, 16_384, 24_576, 32_768, 49_152, 65_536)
# Tokens a sequence of the large ones: attention starts a block for every sequence and head, if only to leave it.
USUAL_LENGTHS = (128, 64, 32)
# And for every so many tokens up to the longest sequence: a step with a longer one is launched.
LARGE_LONGEST = 512
WORTH = 0.9  # the share of a large shape that is not filler


def recorded_shapes(step_tokens: int, max_tokens: int) -> list[Shape]:
    """The shapes of steps of up to so many tokens, those first that are tried first.

    max_tokens: the longest sequence that the model reads.
    """
    # Everywhere no fewer sequences than hold so many tokens.
    small = [
        Shape(tokens, max(count, -(-tokens // max_tokens)), min(max_tokens, tokens))
        for tokens, count in SMALL
        if tokens <= step_tokens
    ]
    longest = min(max_tokens, LARGE_LONGEST)
    # Steps are cut up to `step_tokens`, which may be any number: full ones are worth recording.
    whole = [step_tokens] if step_tokens > SMALL[-1][0] else []
    lengths = sorted({min(length, longest) for length in USUAL_LENGTHS}, reverse=True)
    large = [
        Shape(tokens, -(-tokens // length), longest, round(WORTH * tokens))
        for tokens in sorted({*LARGE, *whole})
        if tokens <= step_tokens
        for length in lengths
    ]
    return small + large


Run = Callable[[], torch.Tensor]
# Runs a function once and returns a function that repeats it.
Recorder = Callable[[Run], Run]


class CudaRecorder:
    """Records CUDA graphs in one shared memory: one runs at a time, and its rows are copied before the next runs."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()
        # One for all: for each stream that it has met, cuBLAS keeps 32 MiB to work in.
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]

    def __call__(self, run: Run) -> Run:
        """A function that repeats the run and returns the same tensor each time, with new numbers in it.

        Raises RuntimeError when CUDA refuses to record.
        """
        # A first run loads kernels, which cannot be recorded.
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            run()
        torch.cuda.current_stream().wait_stream(self._stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
            rows = run()

        def repeat() -> torch.Tensor:
            graph.replay()
            return rows

        return repeat


class Graphs:
    """Recorded steps; others are launched kernel by kernel.

    A shape that does not fit into memory is left out. Where recording fails otherwise, there are none.

    forward: gives the rows of a step; may depend on its tensors and their shapes alone. positions: see Encoder. shapes:
    as they are tried. record: makes what repeats a run.
    """

    def __init__(
        self,
        forward: Callable[[Packed], torch.Tensor],
        positions: Callable[[Sequences], NDArray[np.int64]],
        placement: Placement,
        shapes: Sequence[Shape],
        record: Recorder,
    ) -> None:
        self._positions, self._placement = positions, placement
        self._recorded: list[tuple[Shape, torch.Tensor, Run]] = []
        # The largest is recorded first, so that its memory serves the others.
        for shape in sorted(shapes, key=lambda each: -each.tokens):
            sample = Sequences.filler(shape.tokens, shape.count)
            try:
                held = placement.send(buffer(sample, positions(sample))).clone()
                step = Packed.cut(held, sample.lengths.tolist(), shape.longest)
                self._recorded.append((shape, held, record(partial(forward, step))))
            except RuntimeError as error:
                said = {"error": first_line(error), "tokens": shape.tokens}
                if is_out_of_memory(error):
                    log.warning("step not recorded", extra=said)
                    continue
                log.warning("no CUDA graphs", extra=said)
                self._recorded.clear()
                break
        self._recorded.sort(key=lambda each: shapes.index(each[0]))

    def __call__(self, sequences: Sequences) -> torch.Tensor | None:
        """Rows of a step, (sequences, width); None for a step that fits no recorded shape, or goes on from beginnings.

        The next call overwrites them: copy them before.
        """
        if (sequences.beginning_of >= 0).any():
            return None
        tokens, longest = sequences.token_ids.size, int(sequences.lengths.max())
        for shape, held, repeat in self._recorded:
            if longest > shape.longest or tokens < shape.least:
                continue
            filled = sequences.filled_up(shape.tokens, shape.count, shape.longest)
            if filled is not None:
                self._placement.send(buffer(filled, self._positions(filled)), into=held)
                return repeat()[: len(sequences)]
        return None
