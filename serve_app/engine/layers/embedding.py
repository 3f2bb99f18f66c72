"""A model's input: rows of its tables, added and normalised."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

from serve_app.engine.layers.norm import LayerNorm
from serve_app.engine.layers.packed import Packed

# A step's input of the first layer: (tokens, width).
Embed = Callable[[Packed], torch.Tensor]


@dataclass(frozen=True, slots=True)
class Tables:
    """What a token's input is added up from, float32 (rows, width) on the device; None for what a model has not.

    segments: where it has one row, that is every token's, whatever its segment.
    """

    words: torch.Tensor
    positions: torch.Tensor | None = None
    segments: torch.Tensor | None = None


class PlainEmbed:
    """See Embed: table after table, in float32, then a norm of float32."""

    def __init__(self, tables: Tables, norm: LayerNorm, dtype: torch.dtype) -> None:
        """Hold the tables. dtype: of the result."""
        self._tables, self._norm, self._dtype = tables, norm, dtype

    def __call__(self, step: Packed) -> torch.Tensor:
        """See Embed."""
        positions, segments = self._tables.positions, self._tables.segments
        x = functional.embedding(step.token_ids, self._tables.words)
        if positions is not None:
            x += functional.embedding(step.positions, positions)
        if segments is not None:
            x += segments[0] if segments.shape[0] == 1 else functional.embedding(step.segments, segments)
        return self._norm(x).to(self._dtype)
