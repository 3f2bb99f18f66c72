"""Whether a model's numbers fit into float16."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from serve_app.domain.sequences import Sequences

SEQUENCES, TOKENS = 8, 384
# Special tokens have the widest channels, and families have theirs at either end of the vocabulary.
EDGE = 128

# Of what float16 holds (65,504), a third: texts differ from the random tokens that are tried.
MOST = 20_000.0


def trial(vocabulary: int, longest: int) -> Sequences:
    """Sequences of tokens from all over a vocabulary, with its first and its last in each.

    Random tokens suffice, as for the ranges of int8: wide channels are the model's and not the text's. vocabulary:
    tokens in it. longest: tokens of the longest sequence.
    """
    chance = np.random.default_rng(0)
    edges = np.concatenate([np.arange(EDGE), np.arange(vocabulary - EDGE, vocabulary)]).clip(0, vocabulary - 1)
    ids = chance.integers(0, vocabulary, (SEQUENCES, TOKENS))
    ids[:, : edges.size] = edges
    ids = chance.permuted(ids, axis=1)[:, : min(TOKENS, longest)]
    return Sequences.plain(ids.astype(np.int32).ravel(), np.full(SEQUENCES, ids.shape[1], dtype=np.int32))


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
