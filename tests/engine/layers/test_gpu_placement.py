"""Which layers a model on a GPU gets."""

import logging

import pytest
import torch

from serve_app.engine.files import ModelError
from serve_app.engine.layers.choice import choose_placement
from serve_app.engine.layers.eight_bits import LevelsProduct
from serve_app.engine.layers.gpu_placement import EightBitPlacement, FusedPlacement
from serve_app.engine.layers.linear import PlainLinear
from serve_app.engine.layers.placement import Placement
from serve_app.engine.options import EngineOptions

FP8 = EngineOptions(precision="fp8")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine whose torch finds a Hopper, on which all kernels work."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda *_: (9, 0))
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda *_: (1 << 36, 1 << 36))
    monkeypatch.setattr("torch.cuda.get_arch_list", lambda: ["sm_80", "sm_90"])
    monkeypatch.setattr("serve_app.engine.kernels.trial.fails", lambda *_: None)
    monkeypatch.setattr("serve_app.engine.kernels.trial.eight_bits_fail", lambda _: None)
    return monkeypatch


@pytest.mark.parametrize(("precision", "dtype"), [("auto", torch.float16), ("exact", torch.float32)])
def test_layers_are_fused_where_the_kernels_work(gpu: pytest.MonkeyPatch, precision: str, dtype: torch.dtype) -> None:
    placement = choose_placement(EngineOptions(precision=precision))
    assert type(placement) is FusedPlacement
    assert placement.dtype == dtype


def test_layers_are_plain_where_a_kernel_fails_and_one_line_says_why(
    gpu: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gpu.setattr("serve_app.engine.kernels.trial.fails", lambda *_: "no C compiler")
    with caplog.at_level(logging.INFO):
        assert type(choose_placement(EngineOptions())) is Placement
    [record] = caplog.records
    assert record.reason == "no C compiler"


def test_fp8_is_refused_where_it_cannot_be_had(gpu: pytest.MonkeyPatch) -> None:
    assert type(choose_placement(FP8)) is EightBitPlacement
    assert choose_placement(FP8).precision == "fp8"
    gpu.setattr("serve_app.engine.kernels.trial.eight_bits_fail", lambda _: "no such product")
    with pytest.raises(ModelError, match="precision: fp8 fails on this device, ask for fast: no such product"):
        choose_placement(FP8)
    gpu.setattr("torch.cuda.get_device_capability", lambda *_: (8, 6))
    with pytest.raises(ModelError, match=r"takes compute capability 8\.9 or later; this device has 8\.6"):
        choose_placement(FP8)
    with pytest.raises(ModelError, match="precision: fp8 takes a CUDA device"):
        choose_placement(EngineOptions(device="cpu", precision="fp8"))


def test_fp8_is_refused_for_a_width_that_its_products_cannot_have() -> None:
    with pytest.raises(ModelError, match="multiples of 16, not 312"):
        EightBitPlacement(torch.device("cpu")).normalised_linear("", torch.ones(32, 312), torch.ones(32))


def test_an_output_of_fp8_without_weights_is_its_bias_where_a_device_has_no_denormals() -> None:
    levels = torch.ones(2, 16, dtype=torch.float8_e4m3fn)
    torch.set_flush_denormal(True)
    try:
        found = LevelsProduct(torch.zeros(16, 16), torch.ones(16))(levels, torch.ones(2, 1))
    finally:
        torch.set_flush_denormal(False)
    assert found.eq(1).all()


def test_gelu_is_exact_where_its_tanh_form_may_not_stand_for_it() -> None:
    cpu, product = torch.device("cpu"), (torch.eye(8), torch.zeros(8))
    x = torch.linspace(-3, 3, 8).view(1, 8)
    exact = torch.nn.functional.gelu(x)
    for placement in (
        FusedPlacement(cpu, torch.float32),
        FusedPlacement(cpu, torch.bfloat16, approximate_gelu=False),
    ):
        assert not hasattr(placement.up("", product, "gelu"), "_gelu")
        found = placement.up("", product, "gelu")(x.to(placement.dtype))
        torch.testing.assert_close(found.float(), exact, atol=1e-2, rtol=0)
    assert not isinstance(FusedPlacement(cpu, torch.float16).up("", product, "gelu"), PlainLinear)
