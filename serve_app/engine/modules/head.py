"""What a model makes of the encoder's states: a cross-encoder's logit, or a bi-encoder's vector."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import torch
from torch import nn
from torch.nn import functional

from serve_app.engine.files import ModelError, tensor_names
from serve_app.engine.layers.packed import Packed
from serve_app.engine.layers.placement import Placement
from serve_app.engine.layers.pooling import pooled
from serve_app.engine.models.config import States
from serve_app.engine.modules.config import TOKENS, Chain, Dense, LayerNorm, Module, Normalize, Pooling, Value
from serve_app.engine.weights import Weights

LAYER_NORM_EPSILON = 1e-5  # torch's own, which sentence-transformers leaves as it is


class Head(Protocol):
    """The last part of a model."""

    @property
    def states(self) -> States:
        """The states that it is given."""
        ...

    def __call__(self, states: torch.Tensor, step: Packed) -> torch.Tensor:
        """One row a sequence: float32 (sequences, width). states: as the encoder gives them."""
        ...


# A module's value from the value that it reads, both float32.
Compute = Callable[[torch.Tensor, Packed], torch.Tensor]


class ChainHead:
    """The modules of a chain, one after the other, in float32."""

    def __init__(self, chain: Chain, states: States, placement: Placement) -> None:
        """Read the modules' weights. states: that it is given.

        Raises ModelError, naming file and tensor, when the weights do not fit.
        """
        self.states = states
        self._gives, self._width = chain.gives, chain.width
        self._modules = [(module.reads, module.writes, self._load(module, placement)) for module in chain.modules]

    def _load(self, module: Module, placement: Placement) -> Compute:
        match module:
            case Pooling():
                return _Pool(module, self.states)
            case Dense():
                return _DenseLayer(module, placement)
            case Normalize():
                return lambda x, _: functional.normalize(x, dim=1)
            case LayerNorm():
                weights = _read(module.folder, {"norm.weight", "norm.bias"})
                norm = placement.exact_norm(*weights.norm("norm", module.width), LAYER_NORM_EPSILON)
                return lambda x, _: norm(x)

    def __call__(self, states: torch.Tensor, step: Packed) -> torch.Tensor:
        """See Head."""
        values: dict[Value, torch.Tensor] = {TOKENS: states.float()}
        for reads, writes, compute in self._modules:
            values[writes] = compute(values[reads], step)
        return values[self._gives][:, : self._width]


class _Pool:
    def __init__(self, module: Pooling, states: States) -> None:
        self._module, self._is_done = module, states != "all"

    def __call__(self, x: torch.Tensor, step: Packed) -> torch.Tensor:
        if self._is_done:
            return x
        return pooled(x, step, self._module.modes, include_prompt=self._module.include_prompt)


class _DenseLayer:
    def __init__(self, module: Dense, placement: Placement) -> None:
        shape, projected = (module.outputs, module.inputs), module.residual and module.inputs != module.outputs
        names = {"linear.weight"} | ({"linear.bias"} if module.bias else set())
        weights = _read(module.folder, names | ({"residual.weight"} if projected else set()))
        self._linear = placement.exact_linear(*weights.linear("linear", *shape, bias=module.bias))
        self._activation: nn.Module = getattr(nn, module.activation)()
        self._residual: Callable[[torch.Tensor], torch.Tensor] | None = None
        if projected:
            self._residual = placement.exact_linear(*weights.linear("residual", *shape, bias=False))
        elif module.residual:
            self._residual = nn.Identity()

    def __call__(self, x: torch.Tensor, step: Packed) -> torch.Tensor:  # noqa: ARG002
        y: torch.Tensor = self._activation(self._linear(x))
        return y if self._residual is None else y + self._residual(x)


def _read(folder: Path, names: set[str]) -> Weights:
    """A module's weights, which must have these tensors and no others."""
    if unknown := sorted(tensor_names(folder) - names):
        raise ModelError(f"{folder}: its config.json has no room for the weights' tensor {unknown[0]!r}")
    return Weights(folder)
