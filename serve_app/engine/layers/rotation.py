"""Rotary positions. Source: RoFormer, arXiv 2104.09864; a number is paired with the one half a head away."""

from typing import Protocol

import torch

from serve_app.engine.layers.placement import Placement
from serve_app.engine.layers.turn import Angles, PlainTurn


class Rotation(Protocol):
    """One step's turns of queries and keys."""

    def __call__(
        self, query: torch.Tensor, key: torch.Tensor, asking: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Queries and keys, turned, in their own precision; they may be the given ones, changed.

        query: (rows, heads, size). key: (tokens, heads, size). asking: int32 (rows,), the tokens that the queries
        belong to; None where all tokens ask.
        """
        ...


class Rotary:
    """Turns queries and keys by angles that grow with the place of their token."""

    def __init__(self, theta: float, size: int, placement: Placement, stretch: float = 1.0) -> None:
        """Prepare the wavelengths.

        theta: their base. size: width of a head. stretch: what all of them are multiplied by.
        """
        steps = torch.arange(0, size, 2, dtype=torch.float32)
        # On the host and in transformers' order of operations: at place 8,000 the last bit is an angle of 0.0005.
        self._frequencies = (1.0 / theta ** (steps / size) / stretch).to(placement.device)
        self._form = FusedRotation if placement.fused else PlainRotation

    def __call__(self, places: torch.Tensor) -> Rotation:
        """The turns of one step. places: int32 (tokens,), place of each token in its sequence."""
        angles = self.angles(places)
        return self._form(angles.cos, angles.sin)

    def angles(self, places: torch.Tensor) -> Angles:
        """The angles of one step. places: as above."""
        found = places[:, None].float() * self._frequencies
        return Angles(found.cos(), found.sin())


class PlainRotation:
    """By torch's own operators, on every device."""

    def __init__(self, cos: torch.Tensor, sin: torch.Tensor) -> None:
        """Keep the angles. cos, sin: float32 (tokens, size / 2)."""
        self._angles, self._turn = Angles(cos, sin), PlainTurn(None)

    def __call__(
        self, query: torch.Tensor, key: torch.Tensor, asking: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See Rotation."""
        of_queries = self._angles if asking is None else self._angles.of(asking)
        return self._turn(query, of_queries), self._turn(key, self._angles)


class FusedRotation:
    """By a kernel of our own, where queries and keys lie: CUDA."""

    def __init__(self, cos: torch.Tensor, sin: torch.Tensor) -> None:
        """Keep the angles. cos, sin: float32 (tokens, size / 2)."""
        self._cos, self._sin = cos, sin

    def __call__(
        self, query: torch.Tensor, key: torch.Tensor, asking: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See Rotation."""
        from serve_app.engine.kernels.rotation import rotate_

        rotate_(query, key, self._cos, self._sin, asking)
        return query, key
