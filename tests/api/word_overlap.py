"""A ranking service without a model: a document's score is the share of the query's words that it has."""

from decimal import Decimal

import numpy as np

from serve_app.api.routes import model_not_found
from serve_app.api.service import ModelInfo, ModelStatus
from serve_app.api.terms import Terms
from serve_app.ranking.request import RankedDocument, Ranking, RerankRequest, Usage

MODEL = "org/word-overlap"
NANO_DOLLARS_PER_DOCUMENT = 8_000


class WordOverlap:
    """requests, terms: what was asked, and on which terms."""

    def __init__(self) -> None:
        self.requests: list[RerankRequest] = []
        self.terms: list[Terms] = []
        self.status: ModelStatus = "ready"
        self.error: Exception | None = None

    async def rank(self, request: RerankRequest, terms: Terms) -> Ranking:
        if self.find_model(request.model) is None:
            raise model_not_found(request.model, self)
        self.requests.append(request)
        self.terms.append(terms)
        if self.error is not None:
            raise self.error
        words = set(request.query.split())
        scores = [np.float32(len(words & set(d.text.split())) / len(words)) for d in request.documents]
        best = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[: request.top_n]
        count = len(request.documents)
        return Ranking(
            model=MODEL,
            results=[RankedDocument(i, float(scores[i])) for i in best],
            usage=Usage(tokens=7 * count, documents=count, nano_dollars=NANO_DOLLARS_PER_DOCUMENT * count),
        )

    def models(self) -> list[ModelInfo]:
        return [
            ModelInfo(
                id=MODEL,
                aliases=["overlap"],
                summary="Counts words.",
                architecture="none",
                task="rerank",
                context_length=512,
                languages=["en"],
                license="Apache-2.0",
                parameters=1,
                created=1_700_000_000,
                price_usd=Decimal("0.008"),
                documents_per_s=None,
                status=self.status,
                failure=None,
                replicas=1,
                evaluation=[],
            )
        ]

    def find_model(self, name: str) -> ModelInfo | None:
        (info,) = self.models()
        return info if name.lower() in {MODEL, "overlap"} else None
