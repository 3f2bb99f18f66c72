"""Models on the fake device, each loaded once a session."""

from dataclasses import replace
from functools import cache

import numpy as np

from loadtest.fake_cuda.device import FakeCuda
from serve_app.domain.model import Precision
from serve_app.domain.prompt_template import PromptTemplate
from serve_app.domain.sequences import Sequences
from serve_app.engine.model import Model
from serve_app.engine.options import EngineOptions
from tests.tiny_decoders import TinyDecoder
from tests.tiny_models import TOKENS, TinyModel

# With Triton, and without it.
CUDA = {triton: FakeCuda(triton=triton) for triton in (True, False)}


@cache
def on_cuda(tiny: TinyModel, precision: Precision = "fast", *, triton: bool = True) -> Model:
    with CUDA[triton].running():
        return Model.load(tiny.directory, EngineOptions("cuda", precision, cuda_graphs=False))


def step_of(lengths: tuple[int, ...] = (TOKENS, 60, 60, 7, 1)) -> Sequences:
    return Sequences.plain(np.full(sum(lengths), 7, dtype=np.int32), np.array(lengths, dtype=np.int32))


@cache
def decoder_on_cuda(tiny: TinyDecoder, precision: Precision = "fast", *, triton: bool = True) -> Model:
    template = None if tiny.head == "embedding" else PromptTemplate("{query}", yes="yes", no="no")
    with CUDA[triton].running():
        return Model.load(tiny.directory, EngineOptions("cuda", precision, cuda_graphs=False), template=template)


def sharing(*of: int, own: int = 30, size: int = 20) -> Sequences:
    """Sequences of `own` and more tokens behind beginnings of `size` and more. of: which one each has, -1 for none."""
    step = step_of(tuple(own + place % 3 for place in range(len(of))))
    beginnings = tuple(np.full(size + at, 9 + at, dtype=np.int32) for at in range(max(of) + 1))
    return replace(step, beginnings=beginnings, beginning_of=np.array(of, dtype=np.int32))
