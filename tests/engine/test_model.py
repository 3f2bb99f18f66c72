import weakref

import numpy as np
import pytest
import torch

from serve_app.domain.sequences import Sequences
from serve_app.scheduling.device import StepTooLargeError
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
