"""Which CUDA device is computed on, and what is said of one that cannot be."""

import logging

import pytest
import torch

from serve_app.domain.model import DeviceChoice
from serve_app.engine.files import ModelError
from serve_app.engine.layers.card import runs, wider_than_half
from serve_app.engine.layers.choice import choose_placement
from serve_app.engine.nvidia import Gpus
from serve_app.engine.options import EngineOptions

# torch 2.13.0+cu130, on x86-64.
WHEEL = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"]
TOO_OLD = Gpus(on_bus=True, driver=(12, 8), devices=1, error=0, torch=(13, 0))
NONE = Gpus(on_bus=False, driver=None, devices=0, error=0, torch=(13, 0))
T4, V100, H100 = (7, 5), (7, 0), (9, 0)


def plug_in(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int]) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda *_: capability)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda *_: (1 << 30, 1 << 34))
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "A card")
    monkeypatch.setattr("torch.cuda.get_arch_list", lambda: WHEEL)


def unplug(monkeypatch: pytest.MonkeyPatch, gpus: Gpus) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("serve_app.engine.layers.card.found", lambda: gpus)


@pytest.mark.parametrize(("capability", "varlen"), [(T4, False), (H100, True)])
def test_a_card_without_the_varlen_kernel_is_served_without_it(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], varlen: bool
) -> None:
    plug_in(monkeypatch, capability)
    placement = choose_placement(EngineOptions(device="cuda", precision="fast"))
    assert (placement.device.type, placement.dtype, placement.varlen) == ("cuda", torch.float16, varlen)


@pytest.mark.parametrize(("capability", "wider"), [(T4, torch.float32), (H100, torch.bfloat16)])
def test_a_model_too_wide_for_float16_is_not_computed_in_a_type_that_the_card_imitates(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], wider: torch.dtype
) -> None:
    plug_in(monkeypatch, capability)
    assert wider_than_half(torch.device("cuda", 0)) == wider


def test_a_card_that_torch_has_no_kernels_for_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, V100)
    with pytest.raises(ModelError) as error:
        choose_placement(EngineOptions(device="cuda"))
    assert str(error.value) == (
        "device: cuda was asked for, but A card has compute capability 7.0, for which this torch "
        f"({torch.__version__}) has no kernels: it is built for sm_75, sm_80, sm_86, sm_90, sm_100, sm_120; "
        "install a torch that is built for it, or set engine.device to cpu"
    )


@pytest.mark.parametrize("asks", ["get_device_capability", "mem_get_info"])
@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_a_gpu_that_gives_an_error_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, device: DeviceChoice, asks: str
) -> None:
    def fail(*_: object) -> None:
        raise torch.AcceleratorError("CUDA error: out of memory\nand advice")

    plug_in(monkeypatch, H100)
    monkeypatch.setattr(f"torch.cuda.{asks}", fail)
    with pytest.raises(ModelError) as error:
        choose_placement(EngineOptions(device=device))
    assert str(error.value) == (
        "the GPU cannot be used: CUDA error: out of memory; look at nvidia-smi, or set engine.device to cpu"
    )


def test_a_driver_too_old_for_torch_is_named_with_the_one_that_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    unplug(monkeypatch, TOO_OLD)
    with pytest.raises(ModelError) as error:
        choose_placement(EngineOptions(device="cuda"))
    assert str(error.value) == (
        "device: cuda was asked for, but the driver is for CUDA 12.8, and torch is built for 13.0; "
        "install NVIDIA's driver 580 or newer, or a torch for CUDA 12"
    )


@pytest.mark.parametrize(("gpus", "lines"), [(TOO_OLD, 1), (NONE, 0)])
def test_a_gpu_that_cannot_be_used_is_logged_where_the_cpu_may_stand_in(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, gpus: Gpus, lines: int
) -> None:
    unplug(monkeypatch, gpus)
    with caplog.at_level(logging.WARNING):
        assert choose_placement(EngineOptions()).device.type == "cpu"
    assert len(caplog.records) == lines


def test_no_gpu_is_looked_for_where_the_cpu_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, V100)
    assert choose_placement(EngineOptions(device="cpu")).device.type == "cpu"


@pytest.mark.parametrize(
    ("built_for", "capability", "expected"),
    [
        (["sm_86"], (8, 9), True),
        (["sm_86"], (8, 0), False),
        (["sm_86"], (9, 0), False),
        (["sm_90a"], (9, 0), True),
        (["sm_100a"], (10, 3), False),
        (["sm_100f"], (10, 3), True),
        (["sm_75", "compute_75"], (12, 0), True),
        (["compute_90"], (8, 0), False),
        ([], (7, 0), True),
    ],
)
def test_code_runs_where_nvidia_says_that_it_does(
    built_for: list[str], capability: tuple[int, int], expected: bool
) -> None:
    assert runs(built_for, capability) is expected
