"""The whole of the path on a GPU, from a directory to rows, on tensors without numbers."""

import math
from unittest import mock

import numpy as np
import pytest

from loadtest.fake_cuda.launches import Launches
from serve_app.domain.model import Precision
from serve_app.engine.files import ModelError
from serve_app.engine.model import Model
from serve_app.engine.options import EngineOptions
from tests.conftest import FAMILIES, HEADS
from tests.engine.cuda.loaded import CUDA, on_cuda, step_of
from tests.tiny_models import TinyModels

# One of each way to compute: those whose names differ alone are left out.
DISTINCT = ("xlm-roberta", "mpnet", "deberta-v2", "modernbert", "gte")


def require_a_sound_step(
    tiny_models: TinyModels, family: str, head: str, precision: Precision, *, triton: bool
) -> None:
    model = on_cuda(tiny_models[family, head], precision, triton=triton)
    step = step_of()
    with CUDA[triton].running(), Launches() as seen:
        rows = model(step)
    assert rows.shape == (len(step), model.width)
    assert rows.dtype == np.float32
    assert model.device_name == "cuda:0"
    assert model.precision == {"fast": "float16", "exact": "float32"}[precision]
    assert [copy.bytes for copy in seen.copies_to("cpu")] == [rows.nbytes]
    assert not any(copy.waits for copy in seen.copies)
    assert len(seen.copies_to("cuda")) == 1


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_computes_in_16_bits_between_one_copy_there_and_one_back(
    tiny_models: TinyModels, family: str, head: str
) -> None:
    require_a_sound_step(tiny_models, family, head, "fast", triton=True)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("family", DISTINCT)
def test_every_way_to_compute_serves_in_float32_too(tiny_models: TinyModels, family: str, head: str) -> None:
    require_a_sound_step(tiny_models, family, head, "exact", triton=True)


@pytest.mark.parametrize("family", DISTINCT)
def test_every_way_to_compute_serves_where_triton_does_not_work(tiny_models: TinyModels, family: str) -> None:
    require_a_sound_step(tiny_models, family, "classification", "fast", triton=False)


def test_where_float16_overflows_a_model_computes_in_bfloat16_by_the_same_kernels(tiny_models: TinyModels) -> None:
    tiny, cuda = tiny_models["deberta-v2", "classification"], CUDA[True]
    usual = on_cuda(tiny)
    with cuda.running(), mock.patch("serve_app.engine.model.largest_half", return_value=math.inf):
        model = Model.load(tiny.directory, EngineOptions("cuda", "fast", cuda_graphs=False))
        with Launches() as seen:
            model(step_of())
    with cuda.running(), Launches() as in_float16:
        usual(step_of())
    assert model.precision == "bfloat16"
    assert seen.by_operator == in_float16.by_operator


def test_steps_are_recorded_up_to_the_size_that_will_be_asked_for(
    tiny_models: TinyModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr("serve_app.engine.model.recorded_shapes", lambda most, _: asked.append(most) or [])
    directory = tiny_models["bert", "classification"].directory
    for most in (4_000, 40_000):
        with CUDA[True].running():
            model = Model.load(directory, EngineOptions("cuda", "fast", max_step_tokens=most))
        assert model.step_tokens == most
    assert asked == [4_000, 40_000]


@pytest.mark.parametrize("precision", ["fast", "fp8"])
def test_a_kernel_that_fails_when_its_model_is_tried_leaves_plain_layers(
    tiny_models: TinyModels, precision: Precision, caplog: pytest.LogCaptureFixture
) -> None:
    tiny, options = tiny_models["deberta-v2", "classification"], EngineOptions("cuda", precision, cuda_graphs=False)
    fails = mock.patch(
        "serve_app.engine.kernels.distance_attention.distance_attention",
        side_effect=RuntimeError("out of resource: shared memory\nand advice"),
    )
    with CUDA[True].running(), fails:
        if precision == "fp8":
            with pytest.raises(ModelError, match="fp8 fails on this device, ask for fast: out of resource"):
                Model.load(tiny.directory, options)
            return
        model = Model.load(tiny.directory, options)
    assert not model.placement.fused
    [told] = [record for record in caplog.records if record.message == "plain layers"]
    assert told.reason == "out of resource: shared memory"  # type: ignore[attr-defined]
