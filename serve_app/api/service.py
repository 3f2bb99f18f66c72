"""What the routes ask of the rest of the system."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol

from serve_app.api.terms import Terms
from serve_app.ranking.request import (
    Embeddings,
    EmbedRequest,
    PairScores,
    Ranking,
    RerankRequest,
    ScoreRequest,
    Token,
)

ModelStatus = Literal["ready", "cold", "loading", "failed"]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What `/v1/models` says of a served model.

    created: seconds since 1970, when this server began to serve it. documents_per_s: measured over the last minutes,
    None when none were scored. price_usd: of 1,000 documents. failure: why it cannot be asked, when status is failed.
    replicas: how many run. embeds: whether it also gives vectors; tokens_price_usd: of a million tokens of these.
    """

    id: str
    aliases: Sequence[str]
    summary: str
    architecture: str
    task: Literal["rerank"]
    embeds: bool
    context_length: int
    languages: Sequence[str]
    license: str
    parameters: int
    created: int
    price_usd: Decimal
    tokens_price_usd: Decimal | None
    documents_per_s: float | None
    status: ModelStatus
    failure: str | None
    replicas: int
    evaluation: Sequence[dict[str, str | float]]


class RankingService(Protocol):
    """Ranks, scores and embeds, and tells what it can do so with. A model of None is the default one.

    Raises APIError: model_not_found, invalid_request, deadline_exceeded, overloaded, model_cold, unavailable, internal.
    """

    async def rank(self, request: RerankRequest, terms: Terms) -> Ranking:
        """The documents in order."""
        ...

    async def score(self, request: ScoreRequest, terms: Terms) -> PairScores:
        """A score for each pair."""
        ...

    async def embed(self, request: EmbedRequest, terms: Terms) -> Embeddings:
        """A vector for each text; invalid_request where the model has none."""
        ...

    async def tokenize(self, name: str | None, texts: list[str], *, special: bool) -> list[list[Token]]:
        """The tokens of each text, whole. special: with those of the model's template around it."""
        ...

    def models(self) -> list[ModelInfo]:
        """The served models, the default one first."""
        ...

    def find_model(self, name: str) -> ModelInfo | None:
        """The served model with this id or alias."""
        ...
