from collections.abc import Iterator

import pytest
import torch

from serve_app.engine.kernels import trial
from tests.engine.kernels.interpreted import interpreted

CPU = torch.device("cpu")


@pytest.fixture
def on_cpu() -> Iterator[None]:
    with interpreted():
        yield


@pytest.mark.usefixtures("on_cpu")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_kernels_that_give_the_plain_forms_numbers_are_used(dtype: torch.dtype) -> None:
    assert trial.fails(CPU, dtype) is None
    assert trial.eight_bits_fail(CPU) is None


@pytest.mark.usefixtures("on_cpu")
def test_kernels_that_give_other_numbers_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve_app.engine.kernels.norm.add_norm", lambda y, *_: [y])
    assert str(trial.fails(CPU, torch.float16)).startswith("a kernel's numbers are off by ")
    monkeypatch.setattr("serve_app.engine.layers.eight_bits.LevelsLinear.__call__", lambda _, x: x)
    assert str(trial.eight_bits_fail(CPU)).startswith("a product's numbers are off by ")


def test_what_the_machine_lacks_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    # The operators have no form for a CPU.
    for reason in (trial.fails(CPU, torch.float16), trial.eight_bits_fail(CPU)):
        assert reason is not None
        assert reason.startswith("NotImplementedError: ")
        assert "\n" not in reason
    monkeypatch.setitem(__import__("sys").modules, "serve_app.engine.kernels.norm", None)
    assert str(trial.fails(CPU, torch.float16)).startswith("ModuleNotFoundError: ")
