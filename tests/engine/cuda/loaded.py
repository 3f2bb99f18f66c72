"""Models on the fake device, each loaded once a session."""

from functools import cache

import numpy as np

from loadtest.fake_cuda.device import FakeCuda
from serve_app.domain.model import Precision
from serve_app.domain.sequences import Sequences
from serve_app.engine.model import Model
from serve_app.engine.options import EngineOptions
from tests.tiny_models import TOKENS, TinyModel

# With Triton, and without it.
CUDA = {triton: FakeCuda(triton=triton) for triton in (True, False)}


@cache
def on_cuda(tiny: TinyModel, precision: Precision = "fast", *, triton: bool = True) -> Model:
    with CUDA[triton].running():
        return Model.load(tiny.directory, EngineOptions("cuda", precision, cuda_graphs=False))


def step_of(lengths: tuple[int, ...] = (TOKENS, 60, 60, 7, 1)) -> Sequences:
    return Sequences.plain(np.full(sum(lengths), 7, dtype=np.int32), np.array(lengths, dtype=np.int32))
