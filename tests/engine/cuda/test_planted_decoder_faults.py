"""Faults of a decoder that only a GPU would show, planted one at a time."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
from torch._subclasses.fake_tensor import DataDependentOutputException
from torch.nn.attention import varlen

from loadtest.fake_cuda.launches import Launches
from loadtest.fake_cuda.refusals import RefusedError
from serve_app.engine.kernels import join as join_module
from serve_app.engine.layers.causal import Joined
from serve_app.engine.model import Model
from serve_app.engine.models.qwen.decoder import QwenDecoder
from tests.engine.cuda.conftest import TinyDecoders
from tests.engine.cuda.loaded import CUDA, decoder_on_cuda, sharing

Method = Callable[..., Any]


@pytest.fixture
def model(tiny_decoders: TinyDecoders) -> Model:
    """A model that keeps no beginning."""
    found = decoder_on_cuda(tiny_decoders("qwen3", "classification"))
    assert found._beginnings is not None
    found._beginnings.forget()
    return found


def one_bound_too_few(real: Method) -> Method:
    return lambda *args: replace(real(*args), bounds=real(*args).bounds[:-1])


def longest_without_its_beginning(real: Method) -> Method:
    return lambda past, lengths, placement: replace(real(past, lengths, placement), longest=max(lengths) - 1)


def order_of_64_bits(real: Method) -> Method:
    return lambda *args: replace(real(*args), order=real(*args).order.long())


def longest_asked_of_the_device(real: Method) -> Method:
    return lambda *args: replace(real(*args), longest=real(*args).bounds.max().item())


def order_from_memory_that_is_not_pinned(real: Method) -> Method:
    def planted(*args: Any) -> Joined:
        with mock.patch("torch.Tensor.pin_memory", lambda x: x):
            joined: Joined = real(*args)
        return joined

    return planted


def no_window(real: Method) -> Method:
    return lambda *tensors, **options: real(*tensors, **options | {"window_size": (-1, -1)})


def half_a_head(real: Method) -> Method:
    return lambda *tensors: tuple(x[:, :, :12] for x in real(*tensors))


def kept_on_the_host(real: Method) -> Method:
    return lambda self, step: [tuple(x.cpu() for x in layer) for layer in real(self, step)]


@pytest.mark.parametrize(
    ("owner", "name", "plant", "refused"),
    [
        (Joined, "of", one_bound_too_few, (RefusedError, "6 bounds of queries, 5 of keys")),
        (Joined, "of", longest_without_its_beginning, (RefusedError, "at most 32 queries and 31 keys")),
        (Joined, "of", order_of_64_bits, (AssertionError, None)),
        (Joined, "of", longest_asked_of_the_device, (DataDependentOutputException, None)),
        (varlen, "varlen_attn", no_window, (RefusedError, "share heads of keys, without a window")),
        (join_module, "join", half_a_head, (RefusedError, "a head of 12")),
        (QwenDecoder, "beginnings", kept_on_the_host, (RefusedError, "rayrank::join: tensors on cpu and cuda")),
    ],
)
def test_what_a_kernel_refuses_or_waits_for_is_found(
    model: Model,
    owner: Any,
    name: str,
    plant: Callable[[Method], Method],
    refused: tuple[type[Exception], str | None],
) -> None:
    error, told = refused
    planted = mock.patch.object(owner, name, plant(getattr(owner, name)))
    with planted, CUDA[True].running(), Launches(), pytest.raises(error, match=told):
        model(sharing(0, 0, 0, 1, 1))


def test_an_order_that_leaves_from_memory_that_is_not_pinned_is_found(model: Model) -> None:
    planted = mock.patch.object(Joined, "of", order_from_memory_that_is_not_pinned(Joined.of))
    with planted, CUDA[True].running(), Launches() as seen:
        model(sharing(0, 0, 0, 1, 1))
    assert any(copy.waits for copy in seen.copies_to("cuda"))
