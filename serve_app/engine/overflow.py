"""Whether a model's numbers fit into float16."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

# Of what float16 holds (65,504), a third: texts differ from the random tokens that are tried.
MOST = 20_000.0


def largest_half(run: Callable[[], torch.Tensor]) -> float:
    """Largest magnitude of any float16 number that a run's operators give; infinite where one is not finite.

    run: computes, and returns what must be finite, too.
    """
    with torch.inference_mode(), _Seen() as seen:
        result = run()
    largest = float(torch.stack([*seen.largest, result.abs().amax().float()]).amax())
    return math.inf if math.isnan(largest) else largest


class _Seen(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Keeps the largest magnitude of each operator's float16 results, on their device: nothing waits for it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.largest: list[torch.Tensor] = []

    def __torch_dispatch__(
        self, func: Any, types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        out = func(*args, **(kwargs or {}))
        # Memory that nothing is written to yet, and views of it, hold what was there before.
        if not (func.is_view or func.__name__.startswith(("empty", "new_empty"))):
            for tensor in torch.utils._pytree.tree_leaves(out):
                if isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float16 and tensor.numel():
                    self.largest.append(tensor.abs().amax().float())
        return out
