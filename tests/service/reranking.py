"""A reranker over a tiny model, that tests ask as a client would."""

import asyncio
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np

from serve_app.catalog.card import Card, CheckedPricing, Source
from serve_app.domain.answer import Ranking
from serve_app.domain.request import Answer, Document, ModelRequest, RerankRequest
from serve_app.domain.terms import Terms
from serve_app.service.in_process import LoadedModel, load, served_here
from tests.tiny_models import TinyModel

TERMS = Terms(timeout_s=60)


def card_of(tiny: TinyModel) -> Card:
    return Card(
        id="org/tiny",
        aliases=("tiny",),
        summary="",
        architecture="",
        head=tiny.head,
        context_length=128,
        parameters=1,
        source=Source(path=tiny.directory),
        pricing=CheckedPricing(usd=Decimal("0.008"), tokens_usd=Decimal("0.02")),
    )


@cache
def loaded(card: Card) -> LoadedModel:
    """A card's model, loaded once for all tests."""
    return load(card)


class Service:
    """Asks a model. passages: how many it has scored."""

    def __init__(self, model: TinyModel | Card, max_passages: int = 10_000) -> None:
        self._model = loaded(model if isinstance(model, Card) else card_of(model))
        self._max_passages, self.passages = max_passages, 0

    def _count(self, passages: int) -> None:
        self.passages += passages

    def ask(self, request: ModelRequest[Answer], terms: Terms = TERMS) -> Answer:
        async def asked() -> Answer:
            async with served_here(self._model, self._count, max_passages=self._max_passages) as reranker:
                return await reranker.ask(request, terms)

        return asyncio.run(asked())

    def rank(self, query: str, texts: list[str], **options: Any) -> Ranking:
        return self.ask(RerankRequest("Tiny", query, [Document(text) for text in texts], **options))


def by_index(ranking: Ranking) -> np.ndarray:
    """The documents' scores in the order of the request."""
    return np.array([result.relevance_score for result in sorted(ranking.results, key=lambda result: result.index)])
