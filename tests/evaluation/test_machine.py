from pathlib import Path

import pytest

from serve_app.evaluation import machine as module
from serve_app.evaluation.machine import machine, processor


@pytest.mark.parametrize(("cores", "said"), [(1, "1 core"), (64, "64 cores")])
def test_a_processor_is_told_with_the_cores_that_may_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int, said: str
) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: A processor: v2\n\nprocessor\t: 1\n")
    monkeypatch.setattr(module, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(module, "usable_cores", lambda: cores)
    assert machine() == f"A processor: v2, {said}"


def test_where_no_file_tells_the_processor_its_kind_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CPUINFO", tmp_path / "none")
    monkeypatch.setattr("platform.processor", lambda: "")
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert processor() == "riscv64"


def test_a_gpu_is_told_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: f"A card, number {device.index}")
    assert machine("cuda:1") == "A card, number 1"


def test_a_simulated_device_is_told_as_such() -> None:
    assert machine("simulated") == "simulated device"
