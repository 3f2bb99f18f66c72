"""The fake device."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pkgutil import resolve_name
from typing import Any
from unittest import mock

import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily

from loadtest.fake_cuda.indexing import ByOperators
from loadtest.fake_cuda.launches import pin
from loadtest.fake_cuda.stand_ins import STAND_INS

# Functions whose numbers decide what a model is made of, so that they must be computed: from the host's alone.
COMPUTED = ("serve_app.engine.layers.disentangled.distance_buckets",)


class FakeCuda:
    """A machine with one GPU, as long as `running` is entered. What is loaded in it stays on it.

    triton: whether Triton works there, so that layers take the kernels of our own.
    """

    def __init__(self, *, triton: bool = True) -> None:
        self._triton = triton
        self._mode = FakeTensorMode(allow_non_fake_inputs=True)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Have torch find a CUDA device, whose tensors are fake."""
        with ExitStack() as stack:
            for name, value in (STAND_INS | self._replaced()).items():
                stack.enter_context(mock.patch(name, value))
            stack.enter_context(self._mode)
            stack.enter_context(ByOperators())
            yield

    def _replaced(self) -> dict[str, object]:
        empty = torch.empty

        def empty_on_host(*size: Any, pin_memory: bool = False, **options: Any) -> torch.Tensor:
            x = empty(*size, **options)
            return pin(x) if pin_memory else x

        def read(*args: Any) -> torch.Tensor:
            return self._fake(real_read(*args))

        real_read = _computed("serve_app.engine.weights.Weights.table")
        return {
            "torch.empty": empty_on_host,
            "torch.Tensor.pin_memory": lambda x, *_: pin(self._fake(x)),
            "serve_app.engine.weights.Weights.table": read,
            "serve_app.engine.kernels.trial.fails": self._why_not_triton,
            "serve_app.engine.kernels.trial.eight_bits_fail": self._why_not_triton,
            **{name: _computed(name) for name in COMPUTED},
        }

    def _why_not_triton(self, *_: object) -> str | None:
        return None if self._triton else "there is no Triton here"

    def _fake(self, x: torch.Tensor) -> torch.Tensor:
        fake = x if isinstance(x, FakeTensor) else self._mode.from_tensor(x)
        fake.constant = None  # of a single number torch would keep the value, and compute with it
        return fake


def _computed(name: str) -> Callable[..., Any]:
    """The function of this name, with real tensors."""
    real: Callable[..., Any] = resolve_name(name)

    def compute(*args: Any, **options: Any) -> Any:
        with unset_fake_temporarily():
            return real(*args, **options)

    return compute
