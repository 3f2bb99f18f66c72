"""On which device a model computes, and in which types of numbers."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from serve_app.domain.sequences import Sequences
from serve_app.engine.failures import first_line
from serve_app.engine.layers.activation import Activation
from serve_app.engine.layers.block import BlockEnd, PlainBlockEnd, PlainGate
from serve_app.engine.layers.card import is_ampere
from serve_app.engine.layers.embedding import Embed, PlainEmbed, Tables
from serve_app.engine.layers.linear import Linear, ResidualLinear, linear, steady_linear
from serve_app.engine.layers.norm import LayerNorm, RmsNorm
from serve_app.engine.layers.packed import Packed, buffer
from serve_app.engine.layers.quantised import QuantisedLinear
from serve_app.engine.layers.turn import PlainTurn, Turn, in_pairs
from serve_app.engine.memory import NumberBytes
from serve_app.scheduling.device import DeviceLostError

# Weight and bias of a linear layer, (outputs, inputs) and (outputs,): float32; a decoder's weight as its file has it.
Product = tuple[torch.Tensor, torch.Tensor]
# Weight and bias of a layer normalisation, float32 (width,); None where the layer has no bias.
Norm = tuple[torch.Tensor, torch.Tensor | None]


class Placement:
    """A device, the type of hidden states and products on it, and the layers that a model is built of.

    What decides a score at the end (norms of embeddings, heads) is "exact": in float32, whatever the type is.
    fused: whether layers take kernels of our own.
    """

    fused = False

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self.device, self.dtype = device, dtype

    def in_type(self, dtype: torch.dtype) -> "Placement":
        """The same with hidden states and products of another type."""
        return Placement(self.device, dtype)

    @property
    def precision(self) -> str:
        """The precision of most products, as clients are told it: float32, float16, bfloat16, int8 or fp8."""
        return str(self.dtype).removeprefix("torch.")

    def number_bytes(self, tables: int) -> NumberBytes:
        """Bytes of a model's numbers. tables: those of its embedding tables."""
        return NumberBytes.of_type(self.dtype.itemsize, tables)

    @property
    def varlen(self) -> bool:
        """Whether one kernel attends within sequences of any lengths."""
        in_16_bits = self.dtype in {torch.float16, torch.bfloat16}
        return self.device.type == "cuda" and in_16_bits and is_ampere(self.device)

    def send(self, array: NDArray[Any], into: torch.Tensor | None = None) -> torch.Tensor:
        """An array on the device, in a new tensor or in one that is there already.

        Returns before a GPU has it: the copy leaves from pinned memory, in turn with the kernels.
        """
        tensor = torch.from_numpy(array)
        if self.device.type == "cuda":
            tensor = tensor.pin_memory()
        if into is None:
            return tensor.to(self.device, non_blocking=True)
        return into.copy_(tensor, non_blocking=True)

    def pack(self, sequences: Sequences, positions: NDArray[np.int64]) -> Packed:
        """A step on the device. positions: int64 (tokens,), as the model's family counts them."""
        lengths = sequences.lengths.tolist()
        return Packed.cut(self.send(buffer(sequences, positions)), lengths, max(lengths))

    def fetch(self, tensor: torch.Tensor) -> Callable[[], NDArray[Any]]:
        """A function that gives a tensor's values; only calling it waits until the device has computed them.

        It raises DeviceLostError when the device has failed at them.
        """
        if self.device.type != "cuda":
            array: NDArray[Any] = tensor.numpy()
            return lambda: array
        host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        host.copy_(tensor, non_blocking=True)
        copied = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        copied.record()

        def values() -> NDArray[Any]:
            try:
                copied.synchronize()
            except RuntimeError as error:  # a kernel that failed after it was launched
                raise DeviceLostError(first_line(error)) from error
            found: NDArray[Any] = host.numpy()
            return found

        return values

    def linear(self, weight: torch.Tensor, bias: torch.Tensor, activation: Activation = "none") -> ResidualLinear:
        """A linear layer in the placement's type.

        weight: float32 (outputs, inputs), or a decoder's as its file has it. bias: float32 (outputs,).
        """
        return linear(weight.to(self.device, self.dtype), bias.to(self.device, self.dtype), activation)

    def exact_linear(self, weight: torch.Tensor, bias: torch.Tensor, activation: Activation = "none") -> Linear:
        """A linear layer of float32; on a CPU a row's result is the same to the last bit whatever other rows there are.

        16 bits of a logit would tie documents that differ. weight: float32 (outputs, inputs). bias: float32 (outputs,).
        """
        return steady_linear(weight.to(self.device), bias.to(self.device), activation)

    def norm(self, weight: torch.Tensor, bias: torch.Tensor | None, epsilon: float) -> LayerNorm:
        """A layer normalisation in the placement's type.

        weight: float32 (width,). bias: float32 (width,), None where the layer has none.
        """
        return self._norm(weight, bias, epsilon, self.dtype)

    def exact_norm(self, weight: torch.Tensor, bias: torch.Tensor | None, epsilon: float) -> LayerNorm:
        """A layer normalisation of float32. Arguments are those of norm."""
        return self._norm(weight, bias, epsilon, torch.float32)

    def _norm(self, weight: torch.Tensor, bias: torch.Tensor | None, epsilon: float, dtype: torch.dtype) -> LayerNorm:
        shift = None if bias is None else bias.to(self.device, dtype)
        return LayerNorm(weight.to(self.device, dtype), shift, epsilon)

    def normalised_linear(
        self,
        source: str,  # noqa: ARG002 - for placements that know the range of each input
        weight: torch.Tensor,
        bias: torch.Tensor,
        activation: Activation = "none",
    ) -> Linear:
        """A linear layer whose inputs come from a norm, which 8 bits suit best. source: name of its input."""
        return self.linear(weight, bias, activation)

    def up(self, source: str, product: Product, activation: Activation) -> Linear:
        """A feed-forward's first product, whose results a `block_end` reads and nothing else. source: as above."""
        return self.normalised_linear(source, *product, activation)

    def gated_up(self, source: str, activated: Product, factor: Product, activation: Activation) -> Linear:
        """The same of two products: one is activated and multiplied with the other."""
        return PlainGate(
            self.normalised_linear(source, *activated, activation), self.normalised_linear(source, *factor)
        )

    def block_end(self, product: Product, norm: Norm, epsilon: float) -> BlockEnd:
        """A block's last product, its addition to the block's input, and the norm of the sum."""
        return PlainBlockEnd(self.linear(*product), self.norm(*norm, epsilon))

    def rms_norm(self, weight: torch.Tensor, epsilon: float) -> Callable[[torch.Tensor], torch.Tensor]:
        """A normalisation by the root of the mean square, in the placement's type. weight: float32 (width,)."""
        return RmsNorm(weight.to(self.device), epsilon)

    def rms_block_end(self, product: Product, weight: torch.Tensor, epsilon: float) -> BlockEnd:
        """The same as `block_end` with a norm of that kind. weight: of the norm, float32 (width,)."""
        return PlainBlockEnd(self.linear(*product), RmsNorm(weight.to(self.device), epsilon))

    def turn(self, weight: torch.Tensor | None, epsilon: float) -> Turn:
        """What a decoder's layer does with its queries or keys.

        weight: of the norm of a head's numbers, float32 (size,); None where the family has none.
        """
        return PlainTurn(None if weight is None else RmsNorm(in_pairs(weight, len(weight)).to(self.device), epsilon))

    def turning(self, product: Product, size: int) -> Product:
        """A product of queries or keys, its rows in the order in which this placement turns heads of this size."""
        weight, bias = product
        return in_pairs(weight, size), in_pairs(bias, size)

    def embed(self, tables: Tables, norm: Norm, epsilon: float) -> Embed:
        """A model's input, from its tables: added and normalised in float32, whatever the type is."""
        return PlainEmbed(tables, self.exact_norm(*norm, epsilon), self.dtype)


class Int8Placement(Placement):
    """A placement whose normalised layers compute in int8.

    ranges: for each input's name the largest magnitude of each channel, float32 (inputs,).
    """

    precision = "int8"

    def __init__(self, device: torch.device, dtype: torch.dtype, ranges: Mapping[str, torch.Tensor]) -> None:
        super().__init__(device, dtype)
        self._ranges = ranges

    def normalised_linear(
        self, source: str, weight: torch.Tensor, bias: torch.Tensor, activation: Activation = "none"
    ) -> Linear:
        """See Placement."""
        return QuantisedLinear(weight, bias, activation, self.dtype, self._ranges[source])
