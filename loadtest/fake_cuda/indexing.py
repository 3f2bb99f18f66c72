"""What Python's own bindings do with fake CUDA tensors, by operators: theirs ask for a device that is not there."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.overrides import TorchFunctionMode

aten = torch.ops.aten


class ByOperators(TorchFunctionMode):
    """Indexing, copies and the way to numpy, without the guard of a device that only a build for CUDA has."""

    def __torch_function__(  # noqa: PLR0911
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """See TorchFunctionMode."""
        kwargs = kwargs or {}
        if func is torch.Tensor.copy_:
            return aten.copy_.default(*args, **kwargs)
        if func is torch.Tensor.numpy and isinstance(args[0], FakeTensor):
            return as_numpy(args[0])
        if not (args and isinstance(args[0], torch.Tensor) and args[0].device.type == "cuda"):
            return func(*args, **kwargs)
        if func is torch.Tensor.__getitem__:
            return indexed(*args)
        if func is torch.Tensor.__setitem__:
            x, index, value = args
            into = indexed(x, index)
            if isinstance(value, torch.Tensor):
                return aten.copy_.default(into, value)
            return aten.fill_.Scalar(into, value)
        if func is torch.Tensor.contiguous:
            x = args[0]
            return x if x.is_contiguous() else aten.clone(x, memory_format=torch.contiguous_format)
        return func(*args, **kwargs)


def as_numpy(x: torch.Tensor) -> Any:
    """Zeros in place of a host tensor's numbers. Raises TypeError, as torch does, for one that is not on the host."""
    if x.device.type != "cpu":
        raise TypeError(f"can't convert {x.device} device type tensor to numpy")
    return np.zeros(x.shape, dtype=str(x.dtype).removeprefix("torch."))


def indexed(x: torch.Tensor, index: Any) -> torch.Tensor:
    """The view of `x` that an index of numbers, slices, None and an ellipsis gives.

    Raises TypeError for another index: a kernel would look its places up, or wait to count them.
    """
    parts = list(index if isinstance(index, tuple) else (index,))
    if Ellipsis in parts:
        at = parts.index(Ellipsis)
        named = sum(part is not None and part is not Ellipsis for part in parts)
        parts[at : at + 1] = [slice(None)] * (x.ndim - named)
    dim = 0
    for part in parts:
        match part:
            case None:
                x = aten.unsqueeze(x, dim)
            case int():
                x = aten.select(x, dim, part)
                continue
            case slice():
                x = aten.slice(x, dim, *part.indices(x.shape[dim]))
            case _:
                raise TypeError(f"a CUDA tensor is indexed by {type(part).__name__}")
        dim += 1
    return x
