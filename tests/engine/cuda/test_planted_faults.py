"""What the fake device is for: faults that only a GPU would show, planted one at a time."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException

from loadtest.fake_cuda.launches import Launches
from loadtest.fake_cuda.refusals import RefusedError
from serve_app.engine.layers import placement
from serve_app.engine.layers.attention import VarlenAttention
from serve_app.engine.layers.fused import FusedBlockEnd
from serve_app.engine.layers.packed import Packed
from serve_app.engine.layers.placement import Placement
from serve_app.engine.layers.window import WindowAttention
from serve_app.engine.models.bert.encoder import InputEmbeddings
from serve_app.engine.models.dense_head import DenseHead
from tests.engine.cuda.loaded import CUDA, on_cuda, step_of
from tests.tiny_models import TinyModels

Method = Callable[..., Any]


def bounds_of_64_bits(real: Method) -> Method:
    return lambda *args: real(*args).astype(np.int64)


def states_stay_float32(real: Method) -> Method:
    return lambda self, step: real(self, step).float()


def head_reads_halves(real: Method) -> Method:
    return lambda self, states, step: self._out(self._dense(states))


def mask_on_the_host(real: Method) -> Method:
    return lambda self, lengths, window, _: real(self, lengths, window, torch.device("cpu"))


def asks_for_a_number(real: Method) -> Method:
    return lambda self, states, step: real(self, states / states.max().item(), step)


def one_bound_too_few(real: Method) -> Method:
    def planted(self: object, step: Packed, window: int | None, *, first_tokens: bool) -> None:
        real(self, replace(step, counts=step.counts[:-1]), window, first_tokens=first_tokens)

    return planted


def all_tokens_ask_in_the_last_layer(real: Method) -> Method:
    return lambda self, step, window, *, first_tokens: real(self, step, window, first_tokens=True)


def heads_of_12(real: Method) -> Method:
    def planted(self: object, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = real(self, *(x[..., :12] for x in (query, key, value)))
        return out

    return planted


def queries_not_aligned(real: Method) -> Method:
    return lambda self, query, key, value: real(self, query[..., 1:9], key[..., :8], value[..., :8])


def rows_lie_apart(real: Method) -> Method:
    return lambda self, residual, x: real(self, residual.t().contiguous().t(), x)


@pytest.mark.parametrize(
    ("owner", "method", "plant", "told"),
    [
        (placement, "buffer", bounds_of_64_bits, "bounds torch.int64"),
        (InputEmbeddings, "__call__", states_stay_float32, "types torch.float16, torch.float32"),
        (DenseHead, "__call__", head_reads_halves, "types torch.float16, torch.float32"),
        (VarlenAttention, "__init__", one_bound_too_few, "5 bounds of queries, 6 of keys"),
        (VarlenAttention, "__init__", all_tokens_ask_in_the_last_layer, "at most 1 queries: 256, one for each of 5"),
        (VarlenAttention, "__call__", heads_of_12, "a head of 12"),
        (VarlenAttention, "__call__", queries_not_aligned, "offset and strides"),
        (FusedBlockEnd, "__call__", rows_lie_apart, "add_norm: strides"),
    ],
)
def test_what_a_kernel_refuses_is_found(
    tiny_models: TinyModels, owner: Any, method: str, plant: Callable[[Method], Method], told: str
) -> None:
    model = on_cuda(tiny_models["xlm-roberta", "classification"])
    planted = mock.patch.object(owner, method, plant(getattr(owner, method)))
    with planted, CUDA[True].running(), Launches(), pytest.raises(RefusedError, match=told):
        model(step_of())


def test_a_number_that_is_asked_for_is_found(tiny_models: TinyModels) -> None:
    model = on_cuda(tiny_models["xlm-roberta", "classification"])
    planted = mock.patch.object(DenseHead, "__call__", asks_for_a_number(DenseHead.__call__))
    with planted, CUDA[True].running(), Launches(), pytest.raises(DataDependentOutputException):
        model(step_of())


def test_a_mask_on_the_host_is_found(tiny_models: TinyModels) -> None:
    model = on_cuda(tiny_models["modernbert", "classification"], "exact")
    planted = mock.patch.object(WindowAttention, "__init__", mask_on_the_host(WindowAttention.__init__))
    with planted, CUDA[True].running(), Launches(), pytest.raises(RuntimeError, match="device"):
        model(step_of())


def test_rows_that_are_waited_for_are_found(tiny_models: TinyModels) -> None:
    def fetched(_: Placement, tensor: torch.Tensor) -> Callable[[], Any]:
        rows = tensor.cpu().numpy()
        return lambda: rows

    model = on_cuda(tiny_models["xlm-roberta", "classification"])
    with mock.patch.object(Placement, "fetch", fetched), CUDA[True].running(), Launches() as seen:
        model(step_of())
    assert [copy.waits for copy in seen.copies] == [False, True]


def test_what_leaves_from_memory_that_is_not_pinned_is_found(tiny_models: TinyModels) -> None:
    model = on_cuda(tiny_models["xlm-roberta", "classification"])
    with CUDA[True].running(), mock.patch("torch.Tensor.pin_memory", lambda x: x), Launches() as seen:
        model(step_of())
    assert [copy.waits for copy in seen.copies] == [True, False]
