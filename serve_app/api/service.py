"""What the routes ask of the rest of the system."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol

from serve_app.api.terms import Terms
from serve_app.ranking.request import Ranking, RerankRequest

ModelStatus = Literal["ready", "cold", "loading", "failed"]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What `/v1/models` says of a served model.

    created: seconds since 1970, when this server began to serve it. documents_per_s: measured over the last minutes,
    None when none were scored. price_usd: of 1,000 documents. failure: why it cannot be asked, when status is failed.
    replicas: how many run.
    """

    id: str
    aliases: Sequence[str]
    summary: str
    architecture: str
    task: Literal["rerank"]
    context_length: int
    languages: Sequence[str]
    license: str
    parameters: int
    created: int
    price_usd: Decimal
    documents_per_s: float | None
    status: ModelStatus
    failure: str | None
    replicas: int
    evaluation: Sequence[dict[str, str | float]]


class RankingService(Protocol):
    """Ranks documents, and tells what it can rank them with."""

    async def rank(self, request: RerankRequest, terms: Terms) -> Ranking:
        """The documents in order.

        Raises APIError: model_not_found, invalid_request, deadline_exceeded, overloaded, model_cold, unavailable.
        """
        ...

    def models(self) -> list[ModelInfo]:
        """The served models, the default one first."""
        ...

    def find_model(self, name: str) -> ModelInfo | None:
        """The served model with this id or alias."""
        ...
