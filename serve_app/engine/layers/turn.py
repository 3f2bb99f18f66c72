"""Queries and keys of a decoder: normalised head by head, where the family does so, and turned by their places."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self

import torch


@dataclass(frozen=True, slots=True)
class Angles:
    """The angles of some tokens: cosines and sines, float32 (tokens, size / 2)."""

    cos: torch.Tensor
    sin: torch.Tensor

    def of(self, tokens: torch.Tensor) -> Self:
        """Those of some of the tokens. tokens: int32 (rows,), their indices."""
        return type(self)(self.cos.index_select(0, tokens), self.sin.index_select(0, tokens))


class Turn(Protocol):
    """What a layer does with its queries, or with its keys."""

    def __call__(self, x: torch.Tensor, angles: Angles) -> torch.Tensor:
        """The same numbers, normalised and turned: (tokens, heads, size) -> (tokens, heads, size)."""
        ...


class PlainTurn:
    """See Turn: a norm, then the turn, by torch's own operators."""

    def __init__(self, norm: Callable[[torch.Tensor], torch.Tensor] | None) -> None:
        """Hold the norm of a head's numbers; None where the family has none."""
        self._norm = norm

    def __call__(self, x: torch.Tensor, angles: Angles) -> torch.Tensor:
        """See Turn."""
        return _turned(x if self._norm is None else self._norm(x), angles.cos[:, None], angles.sin[:, None])


def _turned(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Each number turned with the one half a head away, in float32: (tokens, heads, size) in the type of x.

    cos, sin: float32 (tokens, 1, size / 2).
    """
    first, second = x.float().chunk(2, dim=-1)
    out = torch.empty(x.shape, dtype=torch.float32, device=x.device)
    left, right = out.chunk(2, dim=-1)
    torch.mul(first, cos, out=left).addcmul_(second, sin, value=-1)
    torch.mul(second, cos, out=right).addcmul_(first, sin)
    return out.to(x.dtype)
