import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.tiny_models import TinyModel

SCRIPT = Path(__file__).parents[2] / "loadtest" / "bench_gpu.py"


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *options], capture_output=True, text=True, check=False, timeout=120
    )


def test_it_measures_every_step_size_on_whatever_device_there_is(
    tiny_models: dict[tuple[str, str], TinyModel],
) -> None:
    model = tiny_models["xlm-roberta", "classification"].directory
    options = ("--device", "cpu", "--precision", "exact", "--sets", "short", "--tokens", "600", "--singles", "1")
    done = run("--model", str(model), *options)
    assert done.returncode == 0, done.stderr
    assert all(f"steps of {step}" in done.stdout for step in ("4,096", "65,536"))
    assert "recorded ms" in done.stdout
    assert "max Δlogit to float32 0e+00" in done.stdout


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_it_says_so_in_one_line() -> None:
    done = run()
    assert done.returncode == 1
    assert done.stderr == "bench-gpu: torch finds no CUDA device here; --device cpu shows that the script runs\n"
