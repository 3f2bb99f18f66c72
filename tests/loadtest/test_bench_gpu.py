import pytest
import torch

from loadtest.bench.engine import gpu
from tests.tiny_models import TinyModel


def test_it_measures_every_step_size_on_whatever_device_there_is(
    tiny_models: dict[tuple[str, str], TinyModel], capsys: pytest.CaptureFixture[str]
) -> None:
    model = tiny_models["xlm-roberta", "classification"].directory
    options = ("--device", "cpu", "--precision", "exact", "--sets", "short", "--tokens", "600")
    once = ("--rounds", "1", "--singles", "1", "--threads", "1")
    gpu.main(["--model", str(model), *options, *once])
    printed = capsys.readouterr().out
    assert all(f"steps of {step:,}" in printed for step in gpu.STEPS)
    assert "recorded ms" in printed
    assert "max Δlogit to float32 0e+00" in printed


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_it_says_so_in_one_line() -> None:
    with pytest.raises(SystemExit) as refused:
        gpu.main([])
    assert refused.value.code == "bench-gpu: torch finds no CUDA device here; --device cpu shows that the script runs"
