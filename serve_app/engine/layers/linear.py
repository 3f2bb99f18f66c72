"""A linear layer in the form that this device computes fastest."""

import time
from functools import cache
from typing import Protocol

import torch
from torch.nn import functional

from serve_app.engine.layers.activation import FUNCTIONS, Activation, split

MEASURED_ROWS = 512
CLEARLY = 0.95  # the share of the other's time from which a form counts as faster; above it is noise


class Linear(Protocol):
    """A linear layer with its bias and activation."""

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """The layer's result: x (rows, inputs) -> (rows, outputs)."""
        ...


class ResidualLinear(Linear, Protocol):
    """A linear layer that can add its result to its block's input as it computes it."""

    def add_to(self, residual: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """The layer's result without activation plus the residual, which is left unchanged: (rows, outputs)."""
        ...


class PlainLinear:
    """The layer as torch computes it on every device."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, activation: Activation) -> None:
        self._weight, self._bias, self._activate = weight, bias, FUNCTIONS[activation]

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """See Linear."""
        return self._activate(functional.linear(x, self._weight, self._bias))

    def add_to(self, residual: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """See ResidualLinear."""
        return functional.linear(x, self._weight, self._bias).add_(residual)


class PackedLinear:
    """The layer with its weight laid out as oneDNN wants it, and activation or addition fused into the product.

    Each row's result is the same whatever other rows there are. The operators are private to torch: `packed_available`
    says whether this build has them.
    """

    # oneDNN picks the layout for this number of rows; other numbers give right results, too.
    ROWS = 2048

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, activation: Activation) -> None:
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), self.ROWS)
        self._bias = bias
        self._fused, self._activate = split(activation)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """See Linear."""
        y: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, self._fused, [], "none")
        return self._activate(y)

    def add_to(self, residual: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """See ResidualLinear."""
        y: torch.Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, residual, self._weight, self._bias, "add")
        return y


@cache
def packed_available() -> bool:
    """Whether torch's oneDNN operators exist and give what torch's own product gives."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    x, weight, bias = torch.ones(3, 32), torch.full((16, 32), 0.01), torch.ones(16)
    try:
        packed, plain = PackedLinear(weight, bias, "gelu"), PlainLinear(weight, bias, "gelu")
        found = packed(x), packed.add_to(torch.ones(3, 16), x)
    except (AttributeError, RuntimeError):
        return False
    expected = plain(x), plain.add_to(torch.ones(3, 16), x)
    return all(torch.allclose(*pair, atol=1e-5) for pair in zip(found, expected, strict=True))


def bfloat16_available() -> bool:
    """Whether this CPU has bfloat16 products. oneDNN says yes also where it emulates them, slower than float32."""
    features = torch.cpu.get_capabilities()
    native = features.get("avx512_bf16") or features.get("amx_bf16") or features.get("architecture") != "x86_64"
    return bool(native) and packed_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def linear(weight: torch.Tensor, bias: torch.Tensor, activation: Activation = "none") -> ResidualLinear:
    """The layer in the form that is fastest on its weight's device. weight: (outputs, inputs). bias: (outputs,)."""
    if weight.device.type == "cpu" and packed_available():
        return fastest(*weight.shape, weight.dtype, activation)(weight, bias, activation)
    return PlainLinear(weight, bias, activation)


def steady_linear(weight: torch.Tensor, bias: torch.Tensor, activation: Activation = "none") -> Linear:
    """The layer in a form whose rows do not depend on each other to the last bit, where this device has one."""
    packed = weight.device.type == "cpu" and packed_available()
    return (PackedLinear if packed else PlainLinear)(weight, bias, activation)


@cache
def fastest(outputs: int, inputs: int, dtype: torch.dtype, activation: Activation) -> type[PackedLinear | PlainLinear]:
    """The faster form of a layer of this shape on this CPU, measured once in a process.

    Only float32 is measured. Replicas on unlike CPUs must agree: in float32 the two forms differ by 1e-6, in 16 bits by
    more than scores may. Plain products are MKL's, packed ones oneDNN's; which is faster depends on the CPU.
    """
    if dtype != torch.float32:
        return PackedLinear
    x, weight, bias = torch.randn(MEASURED_ROWS, inputs), torch.randn(outputs, inputs), torch.zeros(outputs)
    forms = PackedLinear, PlainLinear
    layers = [form(weight, bias, activation) for form in forms]
    seconds = [[_seconds(layer, x) for layer in layers] for _ in range(4)]
    packed, plain = (min(times) for times in zip(*seconds[1:], strict=True))
    return PlainLinear if plain < CLEARLY * packed else PackedLinear


def _seconds(layer: Linear, x: torch.Tensor) -> float:
    began = time.perf_counter()
    layer(x)
    return time.perf_counter() - began
