"""Queries and keys of a decoder: normalised head by head, where the family does so, and turned by their places."""

from dataclasses import dataclass
from typing import Protocol, Self

import torch

from serve_app.engine.layers.norm import RmsNorm


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
    """See Turn: a norm, then the turn, by torch's own operators. Numbers that turn together lie side by side."""

    def __init__(self, norm: RmsNorm | None) -> None:
        """Hold the norm of a head's numbers, in that order; None where the family has none."""
        self._norm = norm

    def __call__(self, x: torch.Tensor, angles: Angles) -> torch.Tensor:
        """See Turn. x may be changed."""
        numbers = x.float() if self._norm is None else self._norm.exact(x)
        # A pair is a complex number; to turn it is to multiply it: in one pass, where halves take four.
        pairs = torch.view_as_complex(numbers.view(*x.shape[:-1], -1, 2))
        pairs.mul_(torch.complex(angles.cos, angles.sin)[:, None])
        return numbers.to(x.dtype)


def in_pairs(x: torch.Tensor, size: int, dim: int = 0) -> torch.Tensor:
    """A copy in which each number of a head lies beside the one half a head behind it. dim: the one with heads, whole.

    Queries and keys that are both in this order have the same products.
    """
    dim %= x.ndim
    return torch.unflatten(x, dim, (-1, 2, size // 2)).transpose(dim + 1, dim + 2).reshape(x.shape)
