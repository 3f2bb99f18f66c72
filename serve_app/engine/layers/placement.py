"""Where a model computes, and in which types of numbers."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from serve_app.domain.sequences import Sequences
from serve_app.engine.files import ModelError
from serve_app.engine.layers.linear import Activation, Linear, ResidualLinear, bfloat16_available, linear
from serve_app.engine.layers.packed import Packed, buffer
from serve_app.engine.layers.quantised import QuantisedLinear, int8_available
from serve_app.settings import EngineSettings


class Placement:
    """A device, and the type of hidden states and products on it."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self.device, self.dtype = device, dtype

    @property
    def varlen(self) -> bool:
        """Whether one kernel attends within sequences of any lengths."""
        return self.device.type == "cuda" and self.dtype in {torch.float16, torch.bfloat16}

    def send(self, array: NDArray[Any], into: torch.Tensor | None = None) -> torch.Tensor:
        """An array on the device, in a tensor that is there where one is given.

        Does not wait for it: a copy to a GPU leaves from pinned memory, in turn.
        """
        tensor = torch.from_numpy(array)
        if self.device.type == "cuda":
            tensor = tensor.pin_memory()
        if into is None:
            return tensor.to(self.device, non_blocking=True)
        return into.copy_(tensor, non_blocking=True)

    def pack(self, sequences: Sequences, positions: NDArray[np.int64]) -> Packed:
        """A step on the device. positions: (tokens,), as the model counts them."""
        lengths = sequences.lengths.tolist()
        return Packed.cut(self.send(buffer(sequences, positions)), lengths, max(lengths))

    def fetch(self, tensor: torch.Tensor) -> Callable[[], NDArray[Any]]:
        """A tensor's values, to be called for: only that waits until the device has computed them."""
        if self.device.type != "cuda":
            array: NDArray[Any] = tensor.numpy()
            return lambda: array
        host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        host.copy_(tensor, non_blocking=True)
        copied = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        copied.record()

        def values() -> NDArray[Any]:
            copied.synchronize()
            found: NDArray[Any] = host.numpy()
            return found

        return values

    def linear(self, weight: torch.Tensor, bias: torch.Tensor, activation: Activation = "none") -> ResidualLinear:
        """A linear layer.

        weight: float32 (outputs, inputs). bias: float32 (outputs,).
        """
        return linear(weight.to(self.device, self.dtype), bias.to(self.device, self.dtype), activation)

    def normalised_linear(
        self,
        source: str,  # noqa: ARG002 - of those that tell inputs apart
        weight: torch.Tensor,
        bias: torch.Tensor,
        activation: Activation = "none",
    ) -> Linear:
        """A linear layer whose inputs a norm has brought to one scale: such a layer loses least in int8.

        source: name of its input.
        """
        return self.linear(weight, bias, activation)


class Int8Placement(Placement):
    """A placement whose normalised layers compute in int8.

    ranges: largest magnitude of each channel of their inputs, float32 (inputs,), by the inputs' names.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype, ranges: Mapping[str, torch.Tensor]) -> None:
        super().__init__(device, dtype)
        self._ranges = ranges

    def normalised_linear(
        self, source: str, weight: torch.Tensor, bias: torch.Tensor, activation: Activation = "none"
    ) -> Linear:
        return QuantisedLinear(weight, bias, activation, self.dtype, self._ranges[source])


def choose_placement(options: EngineSettings) -> Placement:
    """Device and type for what was asked; for int8, what it leaves in a larger type.

    Raises ModelError when the machine lacks it.
    """
    cuda = torch.cuda.is_available()
    if options.device == "cuda" and not cuda:
        raise ModelError("device: cuda was asked for, but torch finds no CUDA device")
    on_gpu = cuda and options.device != "cpu"
    device = torch.device("cuda" if on_gpu else "cpu")
    precision = options.precision
    if precision == "auto":
        precision = "fast" if on_gpu else "exact"
    match precision:
        case "exact":
            return Placement(device, torch.float32)
        case "fast" if on_gpu:
            return Placement(device, torch.float16)
        case "fast" if bfloat16_available():
            return Placement(device, torch.bfloat16)
        case "fast":
            raise ModelError(
                "precision: fast on a CPU takes AVX-512 BF16 or AMX, for bfloat16; this CPU has neither, ask for exact"
            )
        case "int8" if on_gpu:
            raise ModelError("precision: int8 is for CPUs; on CUDA ask for fast, which is float16")
        case "int8" if int8_available():
            return Placement(device, torch.bfloat16 if bfloat16_available() else torch.float32)
        case "int8":
            raise ModelError("precision: int8 takes a CPU with VNNI; this CPU has none, ask for exact")
