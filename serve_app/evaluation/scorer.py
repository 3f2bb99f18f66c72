"""Whoever scores documents for a query, here or behind a URL, and what that took."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from serve_app.domain.request import InputType


@dataclass(frozen=True, slots=True)
class ScorerFacts:
    """Who scores. fingerprint: changes whenever scores might, so that kept scores are never taken for another's.

    precision: that is computed in, or "" where a server does not say. machine: in words. usd_per_1k_documents: None
    where it is not known. instruction: what the model is told for each query, None for its own.
    """

    model: str
    precision: str
    machine: str
    fingerprint: str
    embeds: bool = False
    usd_per_1k_documents: str | None = None
    instruction: str | None = None


@dataclass(frozen=True, slots=True)
class QueryScores:
    """One query's answer.

    scores: the model's own (logits, cosines), in the order of the documents. seconds: from asking to the answer.
    tokens: that the model read. documents: that were billed. nano_dollars: their price.
    """

    scores: Sequence[float]
    seconds: float
    tokens: int
    documents: int
    nano_dollars: int


class Scorer(Protocol):
    """A model that can be asked."""

    @property
    def facts(self) -> ScorerFacts:
        """Who it is."""
        ...

    async def score(self, query: str, documents: Sequence[str], *, alone: bool = False) -> QueryScores:
        """Score each document for the query. Raises UserError where that cannot be done.

        alone: as one request to the service, so that its seconds are a request's; otherwise what was read for another
        query may be used again.
        """
        ...


class Embedder(Scorer, Protocol):
    """A model that can be asked for vectors, too."""

    async def embed(self, texts: Sequence[str], kind: InputType | None = None) -> NDArray[np.float32]:
        """Vectors as the model's own modules make them, long texts cut: float32 (texts, width).

        kind: what the texts are, by which the model's own prompt is chosen; None for its default. Raises UserError
        where that cannot be done, as with a cross-encoder.
        """
        ...
