"""What a CUDA graph repeats: the same kernels with the same shapes, and nothing from the host."""

from dataclasses import replace

import pytest
import torch

from loadtest.fake_cuda.launches import Copy, Launch, Launches
from serve_app.engine.model import Model
from serve_app.engine.options import EngineOptions
from tests.conftest import FAMILIES, HEADS
from tests.engine.cuda.loaded import CUDA, on_cuda, step_of
from tests.tiny_models import TOKENS, TinyModels


def launched(model: Model, lengths: tuple[int, ...]) -> tuple[list[Launch], list[Copy]]:
    """What a step launches and copies whose numbers are on the device already, as where it is recorded."""
    step = step_of(lengths)
    with CUDA[True].running(), torch.inference_mode():
        packed = replace(model.placement.pack(step, model._encoder.positions(step)), longest=TOKENS)
        with Launches() as seen:
            model._forward(packed)
    return seen.launched, seen.copies


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_shape_alone_decides_what_is_launched_wherever_an_encoder_says_so(
    tiny_models: TinyModels, family: str, head: str
) -> None:
    model = on_cuda(tiny_models[family, head])
    (one, copies), (other, _) = launched(model, (100, 20, 8)), launched(model, (43, 43, 42))
    assert (one == other and not copies) or not model.by_shape_alone


def test_a_recorded_step_is_copied_to_where_it_was_recorded_and_its_rows_back(tiny_models: TinyModels) -> None:
    directory = tiny_models["bert", "classification"].directory
    with CUDA[True].running():
        model = Model.load(directory, EngineOptions("cuda", "fast"))
        with Launches() as seen:
            rows = model(step_of())
    assert len(rows) == len(step_of())
    assert [copy.to for copy in seen.copies] == ["cuda", "cpu"]
    assert not any(copy.waits for copy in seen.copies)
    # As many as an array of 256 tokens and 16 sequences has: the step was filled up.
    assert len(step_of()) < 16
    assert seen.copies[0].bytes == 4 * (3 * 256 + 4 * 16 + 2)
