import weakref
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch

from serve_app.domain.sequences import Sequences
from serve_app.scheduling.device import DeviceLostError, StepTooLargeError
from tests.engine.loaded import Engine, loaded
from tests.scheduling.device import sequences
from tests.tiny_models import TOKENS, TinyModel


def of_length(tokens: int) -> Sequences:
    lengths = np.array([tokens], dtype=np.int32)
    return Sequences.plain(np.full(tokens, 7, dtype=np.int32), lengths)


def test_a_sequence_longer_than_the_model_reads_never_gets_to_the_device(tiny_model: TinyModel) -> None:
    model = loaded(tiny_model).model
    assert model(of_length(TOKENS)).shape == (1, model.width)
    with pytest.raises(ValueError, match=f"a sequence has {TOKENS + 1} tokens; the model reads at most {TOKENS}"):
        model(of_length(TOKENS + 1))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried"),
        MemoryError("std::bad_alloc"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        torch.AcceleratorError("CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation' in NVIDIA's docs."),
        RuntimeError("Triton Error [CUDA]: out of memory"),
    ],
)
def test_too_little_memory_for_a_step_is_told_from_other_failures(
    one_of_each_head: Engine, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    model, batch = one_of_each_head.model, sequences([5] * 4, [6] * 3)

    def fail(*_: object) -> torch.Tensor:
        raise error

    monkeypatch.setattr(model, "_head", fail)
    with pytest.raises(StepTooLargeError, match="7 tokens at once do not fit into memory"):
        model.start(batch)
    error = RuntimeError("a kernel that is not there")
    with pytest.raises(RuntimeError, match="a kernel"):
        model.start(batch)


def test_a_step_that_did_not_fit_leaves_nothing_in_memory(
    one_of_each_head: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []

    def fail(states: torch.Tensor, _: object) -> torch.Tensor:
        taken.append(weakref.ref(states))
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(one_of_each_head.model, "_head", fail)
    try:
        one_of_each_head.model.start(sequences([5] * 4))
    except StepTooLargeError:
        # Here the scheduler computes the halves.
        assert [states() for states in taken] == [None]
    assert taken


@pytest.mark.parametrize(("refuses", "raised"), [(True, DeviceLostError), (False, RuntimeError)])
def test_a_device_that_refuses_everything_from_then_on_is_lost(
    tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch, refuses: bool, raised: type[Exception]
) -> None:
    def fail(*_: object) -> torch.Tensor:
        raise RuntimeError("Triton Error [CUDA]: an illegal memory access was encountered\nand advice")

    def synchronise(_: torch.device) -> None:
        if refuses:
            raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    model = Engine(tiny_model).model
    monkeypatch.setattr(model, "_head", fail)
    monkeypatch.setattr(torch.cuda, "synchronize", synchronise)
    monkeypatch.setattr(model.placement, "device", torch.device("cuda", 0))
    monkeypatch.setattr(model.placement, "send", torch.from_numpy)
    with pytest.raises(raised, match="an illegal memory access was encountered") as failure:
        model.start(sequences([5] * 4))
    assert ("advice" in str(failure.value)) != refuses


def unpinned(empty: Callable[..., torch.Tensor], *shape: object, pin_memory: bool, **options: object) -> torch.Tensor:
    """A tensor where no driver can pin one."""
    return empty(*shape, **options)


def test_a_device_that_fails_after_a_step_was_launched_is_lost(
    tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Event:
        def __init__(self, **_: object) -> None: ...

        def record(self) -> None: ...

        def synchronize(self) -> None:
            raise torch.AcceleratorError("CUDA error: device-side assert triggered\nand advice")

    placement = loaded(tiny_model).model.placement
    monkeypatch.setattr(placement, "device", torch.device("cuda", 0))
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch, "empty", partial(unpinned, torch.empty))
    values = placement.fetch(torch.ones(3))
    with pytest.raises(DeviceLostError, match=r"^CUDA error: device-side assert triggered$"):
        values()


@pytest.mark.parametrize(
    ("error", "fits"),
    [("operation not permitted when stream is capturing", True), ("CUDA error: out of memory", False)],
)
def test_a_step_is_timed_as_it_is_launched_where_it_cannot_be_recorded(
    one_of_each_head: Engine, monkeypatch: pytest.MonkeyPatch, error: str, fits: bool
) -> None:
    class Refuses:
        def __call__(self, _: object) -> None:
            raise RuntimeError(error)

    monkeypatch.setattr("serve_app.engine.model.CudaRecorder", Refuses)
    assert (one_of_each_head.model.step_s(sequences([5] * 9), recorded=True) is not None) == fits
