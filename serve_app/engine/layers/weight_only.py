"""Linear layers whose weights alone are 8-bit integers, for decoders on a CPU: a quarter of float32's memory.

A decoder's inputs have a few channels, and at its first token a few numbers, that are hundreds of times as large as the
rest (massive activations, arXiv 2402.17762), so they are not quantised, and nothing need be calibrated.
"""

import torch

from serve_app.engine.layers.activation import FUNCTIONS, Activation
from serve_app.engine.layers.linear import ResidualLinear
from serve_app.engine.layers.placement import Placement
from serve_app.engine.memory import NumberBytes

MOST = 127  # the largest level; as many below 0
SCRATCH_NUMBERS = 2**21  # larger blocks multiply no faster; smaller ones do


class Scratch:
    """Memory that all layers of a model use in turn, for some rows of a weight in the type that is computed in.

    Were it taken anew for each, the holes that it leaves between layers would be as large as they are.
    """

    def __init__(self) -> None:
        self._bytes = torch.empty(SCRATCH_NUMBERS * torch.float32.itemsize, dtype=torch.uint8)

    def rows(self, inputs: int) -> int:
        """How many rows of so many numbers are computed at once."""
        return max(1, SCRATCH_NUMBERS // inputs)

    def filled(self, rows: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """The rows in another type: (rows, inputs) -> (rows, inputs)."""
        size = rows.numel() * dtype.itemsize
        if size > self._bytes.numel():  # a single row that is longer
            self._bytes = torch.empty(size, dtype=torch.uint8)
        return self._bytes[:size].view(dtype).view(rows.shape).copy_(rows)


class WeightOnlyLinear:
    """The layer with a weight of int8, one scale for each output; inputs, sums and results keep their type.

    Levels are whole numbers up to 127, which bfloat16 holds exactly, so that only results are scaled. Scales are of the
    results' type, and are rounded before levels are taken: what they lose is not lost.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, activation: Activation, scratch: Scratch) -> None:
        """Quantise a weight, some rows at a time.

        weight: (outputs, inputs), of any type. bias: (outputs,), in the type of inputs and results.
        """
        outputs, inputs = weight.shape
        self._scratch, self._bias, self._activate = scratch, bias, FUNCTIONS[activation]
        self._levels = torch.empty(outputs, inputs, dtype=torch.int8)
        self._scales = torch.empty(outputs, dtype=bias.dtype)
        for start in range(0, outputs, rows := scratch.rows(inputs)):
            part = slice(start, start + rows)
            self._quantise(weight[part], self._levels[part], self._scales[part])

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """See Linear."""
        product = self._product(x)
        return self._activate(torch.addcmul(self._bias, product, self._scales, out=product))

    def add_to(self, residual: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """See ResidualLinear."""
        product = self._product(x)
        return torch.addcmul(self._bias, product, self._scales, out=product).add_(residual)

    def _quantise(self, weight: torch.Tensor, levels: torch.Tensor, scales: torch.Tensor) -> None:
        """Fill in the levels, (rows, inputs), and the scales, (rows,), of a weight's rows."""
        numbers = self._scratch.filled(weight, torch.float32)
        least, most = torch.aminmax(numbers, dim=1)
        largest = torch.maximum(-least, most).clamp_min_(torch.finfo(torch.float32).eps)
        scales.copy_(largest.div_(MOST))
        levels.copy_(numbers.div_(scales.float()[:, None]).round_())

    def _product(self, x: torch.Tensor) -> torch.Tensor:
        """The inputs times the levels: (rows, outputs)."""
        outputs, inputs = self._levels.shape
        product = x.new_empty(x.shape[0], outputs)
        for start in range(0, outputs, rows := self._scratch.rows(inputs)):
            part = slice(start, start + rows)
            torch.mm(x, self._scratch.filled(self._levels[part], x.dtype).t(), out=product[:, part])
        return product


class WeightOnlyPlacement(Placement):
    """A placement on a CPU whose products have weights of int8; norms and heads are as in any other."""

    precision = "int8"

    def __init__(self, dtype: torch.dtype) -> None:
        """dtype: of hidden states."""
        super().__init__(torch.device("cpu"), dtype)
        self._scratch = Scratch()

    def number_bytes(self, tables: int) -> NumberBytes:
        """See Placement."""
        return NumberBytes(1, self.dtype.itemsize, tables)

    def linear(self, weight: torch.Tensor, bias: torch.Tensor, activation: Activation = "none") -> ResidualLinear:
        """See Placement."""
        return WeightOnlyLinear(weight, bias.to(self.dtype), activation, self._scratch)
