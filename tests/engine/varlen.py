"""Torch's variable-length attention by its formula, for a CPU, which has none."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from serve_app.engine.layers.placement import Placement


def varlen_by_formula(*tensors: torch.Tensor, window_size: tuple[int, int], enable_gqa: bool) -> torch.Tensor:
    """What `varlen_attn` gives: a window is counted from the last row and the last key of a sequence."""
    query, key, value, row_bounds, bounds, most_rows, most_tokens = tensors
    assert window_size == (-1, 0)
    assert enable_gqa
    out = torch.empty_like(query)
    shared = query.shape[1] // key.shape[1]
    for place in range(len(bounds) - 1):
        rows, seen = (slice(*each[place : place + 2].tolist()) for each in (row_bounds, bounds))
        asking, keys, values = query[rows], key[seen], value[seen]
        assert asking.shape[0] <= most_rows
        assert keys.shape[0] <= most_tokens
        scores = torch.einsum("rhs,ths->hrt", asking, keys.repeat_interleave(shared, 1)) / query.shape[2] ** 0.5
        ahead = keys.shape[0] - asking.shape[0]
        scores.masked_fill_(torch.ones(scores.shape[1:], dtype=torch.bool).triu(ahead + 1), -torch.inf)
        out[rows] = torch.einsum("hrt,ths->rhs", scores.softmax(-1), values.repeat_interleave(shared, 1))
    return out


@contextmanager
def varlen_on_cpu() -> Iterator[None]:
    """Have layers on a CPU attend as those on a GPU do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torch.nn.attention.varlen.varlen_attn", varlen_by_formula)
        patch.setattr(Placement, "varlen", True)
        yield
