"""Kernels without a GPU: Triton's interpreter runs them on tensors of a CPU, its compiler builds them for any GPU."""

import pkgutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
import triton.experimental.gluon  # noqa: F401 - takes Triton's own functions as they are, so before these are replaced
import triton.language as tl
from triton.runtime import JITFunction, interpreter
from triton.runtime.interpreter import InterpretedFunction

import serve_app.engine.kernels
from serve_app.engine.kernels.operator import launches

MODULES = [
    import_module(f"serve_app.engine.kernels.{module.name}")
    for module in pkgutil.iter_modules(serve_app.engine.kernels.__path__)
]
CASTS = {tl.bfloat16: torch.bfloat16, tl.float8e4nv: torch.float8_e4m3fn}

_convert, _patch_tensor = interpreter._convert_float, interpreter._patch_lang_tensor


def rounded(values: np.ndarray, given: Any, wanted: Any, mode: Any) -> np.ndarray:
    """The interpreter's conversion, which cuts bfloat16 off and loses the carry of 8 bits, as a GPU rounds."""
    if given == tl.float32 and wanted in CASTS:
        cast = torch.from_numpy(np.ascontiguousarray(values)).to(CASTS[wanted])
        return cast.view(torch.uint8 if cast.itemsize == 1 else torch.uint16).numpy()
    return _convert(values, given, wanted, mode)


def with_whole_numbers(tensor: Any, scope: Any) -> None:
    """The interpreter's tensors, whose own way to a loop's bound is one that numpy 2.5 refuses."""
    _patch_tensor(tensor, scope)
    scope.set_attr(tensor, "__index__", lambda self: self.handle.data.item())


def called(function: InterpretedFunction, *args: Any, **named: Any) -> Any:
    """A function of Triton's own, called in a kernel; the interpreter's way leaves its language changed for good."""
    scope = interpreter._patch_lang(function.fn)
    try:
        return function.rewrite()(*args, **named)
    finally:
        scope.restore()


@contextmanager
def as_it_was(*changed: Any) -> Iterator[None]:
    """Undo what is done to modules and classes: the interpreter leaves some of Triton's replaced."""
    before = [dict(vars(each)) for each in changed]
    try:
        yield
    finally:
        for each, names in zip(changed, before, strict=True):
            for name, value in dict(vars(each)).items():
                if name not in names:
                    delattr(each, name)
                elif value is not names[name]:
                    setattr(each, name, names[name])


@contextmanager
def interpreted() -> Iterator[None]:
    """Have the operators compute on a CPU."""
    library = torch.library.Library("rayrank", "IMPL")
    language = tl, tl.core, tl.math, tl.tensor, tl.core.tensor_descriptor_base
    try:
        with as_it_was(*language), pytest.MonkeyPatch.context() as patch:
            patch.setattr(interpreter, "_convert_float", rounded)
            patch.setattr(interpreter, "_patch_lang_tensor", with_whole_numbers)
            patch.setattr(InterpretedFunction, "__call__", called)
            for module in (tl, sys.modules["triton.language.standard"], *MODULES):
                for name, found in list(vars(module).items()):
                    if isinstance(found, JITFunction):
                        patch.setattr(module, name, InterpretedFunction(found.fn))
            for name, launch in launches.items():
                library.impl(name, launch, "CPU")
            yield
    finally:
        library._destroy()
