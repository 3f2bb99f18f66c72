"""Triton launches as operators of torch, so that fake tensors can stand in for those of a GPU."""

from collections.abc import Callable
from typing import Any

import torch

# As long as the process lives.
_library: Any = torch.library.Library("rayrank", "DEF")  # type: ignore[no-untyped-call]

Launch = Callable[..., Any]

# By the operators' names. A test makes them the operators' CPU form, with kernels that Triton interprets.
launches: dict[str, Launch] = {}


def operator(schema: str, fake: Launch) -> Callable[[Launch], Launch]:
    """Make a function that launches kernels the CUDA form of an operator `rayrank::name`.

    schema: name, arguments and results in torch's words, `add_norm(Tensor y, Tensor residual) -> Tensor`. fake: results
    of the right shapes, types and devices, from the same arguments. Through the dispatcher, not torch's `custom_op`:
    that one costs tens of microseconds a call, and a step has a hundred.
    """

    def register(launch: Launch) -> Launch:
        name = _library.define(schema)
        _library.impl(name, launch, "CUDA")
        launches[name] = launch
        torch.library.register_fake(f"rayrank::{name}", fake, lib=_library)
        found: Launch = getattr(torch.ops.rayrank, name).default
        return found

    return register
