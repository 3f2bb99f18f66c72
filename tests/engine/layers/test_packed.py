import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from serve_app.domain.sequences import Sequences
from serve_app.engine.layers.placement import Placement
from serve_app.engine.layers.pooling import pooled
from serve_app.engine.modules.config import MODES
from tests.engine.loaded import Engine
from tests.scheduling.device import sequences

CPU = Placement(torch.device("cpu"), torch.float32)

# A GPU is waited for where a number on it decides what the host does next.
WAITING = {"_local_scalar_dense", "nonzero", "masked_select", "repeat_interleave", "unique", "_assert_async", "item"}


class Recorder(TorchDispatchMode):
    """Keeps the operators that run, and what indexes tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.index_types: set[torch.dtype] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        self.names.append(name)
        if name == "index":
            self.index_types |= {index.dtype for index in args[1] if index is not None}
        return func(*args, **(kwargs or {}))


def test_a_step_is_laid_out_as_kernels_read_it() -> None:
    batch = Sequences(
        np.array([5, 6, 7, 8, 9], np.int32),
        lengths=np.array([3, 2], np.int32),
        first_segments=np.array([1, 2], np.int32),
        prompt_lengths=np.array([2, 4], np.int32),
    )
    step = CPU.pack(batch, np.array([2, 3, 4, 2, 3]))
    assert step.lengths == [3, 2]
    assert step.longest == 3
    tensors = (step.token_ids, step.positions, step.segments, step.bounds, step.counts, step.starts, step.pooled_from)
    assert [tensor.tolist() for tensor in tensors] == [
        [5, 6, 7, 8, 9], [2, 3, 4, 2, 3], [0, 1, 1, 0, 0], [0, 3, 5], [0, 1, 2], [0, 3], [2, 5],
    ]  # fmt: skip
    assert {tensor.dtype for tensor in tensors} == {torch.int32}


def test_no_way_of_pooling_waits_for_the_device() -> None:
    step, states = CPU.pack(sequences([5] * 4, [6] * 3), np.arange(7)), torch.randn(7, 4)
    with Recorder() as recorder:
        for include_prompt in (True, False):
            pooled(states, step, MODES, include_prompt=include_prompt)
    assert "segment_reduce" in recorder.names
    assert not WAITING.intersection(recorder.names)
    assert torch.bool not in recorder.index_types


def test_nothing_in_a_step_waits_for_the_device(one_of_each_head: Engine) -> None:
    with Recorder() as recorder:
        one_of_each_head.model.start(sequences([5] * 40, [6] * 30, [7, 8]))
    assert "embedding" in recorder.names
    assert not WAITING.intersection(recorder.names)
    assert torch.bool not in recorder.index_types
