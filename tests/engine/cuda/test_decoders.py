"""A decoder's steps on a GPU, with what sequences begin with computed once, on tensors without numbers."""

from unittest import mock

import numpy as np
import pytest
import torch

from loadtest.fake_cuda.launches import Launches
from serve_app.domain.model import Precision
from serve_app.domain.sequences import Sequences
from serve_app.engine.beginnings import most_kept
from serve_app.engine.model import Model
from serve_app.engine.models.qwen.config import QwenConfig
from serve_app.engine.options import EngineOptions
from tests.engine.cuda.conftest import TinyDecoders
from tests.engine.cuda.loaded import CUDA, decoder_on_cuda, sharing, step_of
from tests.prompt_templates import PLAIN
from tests.tiny_decoders import FAMILIES, HEADS

RERANKERS = tuple(head for head in HEADS if head != "embedding")


def computed(model: Model, step: Sequences, *, triton: bool = True) -> Launches:
    """What a step launches whose beginnings are there; no copy but the last waits for the device."""
    with CUDA[triton].running():
        model(step)
        with Launches() as seen:
            rows = model(step)
    assert rows.shape == (len(step), model.width)
    assert rows.dtype == np.float32
    assert [copy.bytes for copy in seen.copies_to("cpu")] == [rows.nbytes]
    assert not any(copy.waits for copy in seen.copies)
    return seen


@pytest.mark.parametrize("precision", ["fast", "exact"])
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_decoder_computes_a_step_between_one_copy_there_and_one_back(
    tiny_decoders: TinyDecoders, family: str, head: str, precision: Precision
) -> None:
    seen = computed(decoder_on_cuda(tiny_decoders(family, head), precision), step_of((90, 60, 60, 7, 1)))
    assert len(seen.copies_to("cuda")) == 1


@pytest.mark.parametrize(("precision", "triton"), [("fast", True), ("fast", False), ("exact", True)])
@pytest.mark.parametrize("head", RERANKERS)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_beginning_that_is_kept_takes_one_copy_more(
    tiny_decoders: TinyDecoders, family: str, head: str, precision: Precision, triton: bool
) -> None:
    model = decoder_on_cuda(tiny_decoders(family, head), precision, triton=triton)
    seen = computed(model, sharing(0, 0, 0, 1, 1, -1), triton=triton)
    # What a GPU computes in float32 it attends to run by run, which the host knows.
    assert len(seen.copies_to("cuda")) == (1 if precision == "exact" else 2)


def test_a_beginning_is_computed_by_a_pass_of_its_own_that_nothing_waits_for(tiny_decoders: TinyDecoders) -> None:
    tiny = tiny_decoders("qwen3", "classification")
    model, step = decoder_on_cuda(tiny), sharing(0, 0, 0, 1, 1, size=47)
    with CUDA[True].running(), Launches() as seen:
        model(step)
    assert not any(copy.waits for copy in seen.copies)
    assert [copy.to for copy in seen.copies] == ["cuda"] * 3 + ["cpu"]
    assert {tensor.device.type for each in kept(model) for tensor in (each.keys, each.values)} == {"cuda"}


def kept(model: Model) -> list:
    assert model._beginnings is not None
    return list(model._beginnings._kept.values())


def test_what_is_kept_of_a_token_is_what_its_configuration_says(tiny_decoders: TinyDecoders) -> None:
    model = decoder_on_cuda(tiny_decoders("qwen3", "classification"))
    with CUDA[True].running():
        model(sharing(0, 0, size=33))
    config = model.config.encoder
    assert isinstance(config, QwenConfig)
    assert kept(model)[-1].size == 33 * 2 * config.kept_numbers


def test_a_gpu_keeps_a_small_share_of_what_its_weights_leave() -> None:
    assert most_kept("cuda", 80 << 30) == 2 << 30
    assert most_kept("cuda", 8 << 30) == 1 << 29
    assert most_kept("cpu", 80 << 30) == 1 << 29


def test_a_step_that_does_not_fit_lets_go_of_beginnings(tiny_decoders: TinyDecoders) -> None:
    model = decoder_on_cuda(tiny_decoders("qwen2", "classification"))
    with CUDA[True].running():
        model(sharing(0, 0))
        assert kept(model)
        too_large = mock.patch.object(model, "_forward", side_effect=torch.OutOfMemoryError("out of memory"))
        with too_large, pytest.raises(Exception, match="do not fit into memory"):
            model(sharing(0, 0))
    assert not kept(model)


def test_layers_of_our_own_kernels_launch_eleven_operators_each(tiny_decoders: TinyDecoders) -> None:
    """A twelfth joins what is kept; in float32 and without Triton there are more."""
    model = decoder_on_cuda(tiny_decoders("qwen3", "classification"))
    layers = model.config.encoder.layers
    per_layer = {"rayrank::turn": 2, "rayrank::rms_norm": 2, "rayrank::activate": 1, "_varlen_attn": 2, "addmm": 5}
    plain, begun = (computed(model, step).by_operator for step in (sharing(-1, -1, -1), sharing(0, 0, 0)))
    for operator, count in per_layer.items():
        once = operator == "rayrank::rms_norm"  # ahead of the first layer
        assert plain[operator] == begun[operator] == count * layers + once + (operator == "addmm")
    assert (plain["rayrank::join"], begun["rayrank::join"]) == (0, layers)


def test_small_steps_are_recorded_and_compute_their_own_beginnings(tiny_decoders: TinyDecoders) -> None:
    """Where that takes less than launching: here all takes nothing."""
    tiny = tiny_decoders("qwen3", "classification")
    with CUDA[True].running():
        model = Model.load(tiny.directory, EngineOptions("cuda", "fast"), template=PLAIN)
        small, large = sharing(0, 0, 0), sharing(*[0] * 60, own=50)
        for step, copies in ((small, 1), (large, 3)):
            with Launches() as seen:
                model(step)
            assert len(seen.copies_to("cuda")) == copies
            assert ("rayrank::join" in seen.by_operator) == (step is large)
