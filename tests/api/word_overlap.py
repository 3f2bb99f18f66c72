"""A ranking service without a model: a document's score is the share of the query's words that it has.

Its tokens are words, and a text's vector is its numbers of the letters a, b and c.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from serve_app.domain.answer import Embeddings, PairScores, RankedDocument, Ranking, Span, Stages, Token, Usage
from serve_app.domain.model import ModelInfo, ModelStatus
from serve_app.domain.request import EmbedRequest, RerankRequest, ScoreRequest
from serve_app.domain.service import model_not_found
from serve_app.domain.terms import Terms

MODEL = "org/word-overlap"
NANO_DOLLARS_PER_DOCUMENT = 8_000
STAGES = Stages(tokenize=0.001, queue=0.002, score=0.030, merge=0.0004)


def overlap(query: str, text: str) -> np.float32:
    """The share of the query's words that a text has."""
    words = set(query.split())
    return np.float32(len(words & set(text.split())) / len(words))


def usage(texts: Sequence[object]) -> Usage:
    """Seven tokens and one billed document a text."""
    count = len(texts)
    return Usage(7 * count, count, NANO_DOLLARS_PER_DOCUMENT * count, characters=100)


class WordOverlap:
    """requests, terms: what was asked, and on which terms."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.terms: list[Terms] = []
        self.status: ModelStatus = "ready"
        self.error: Exception | None = None

    async def rank(self, request: RerankRequest, terms: Terms) -> Ranking:
        self._take(request.model, request, terms)
        texts = [document.text for document in request.documents]
        scores = [overlap(request.query, text) for text in texts]
        best = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[: request.top_n]
        return Ranking(
            model=MODEL,
            results=[
                RankedDocument(i, float(scores[i]), Span(0, len(texts[i])) if request.return_passages else None)
                for i in best
            ],
            usage=usage(texts),
            stages=STAGES,
        )

    async def score(self, request: ScoreRequest, terms: Terms) -> PairScores:
        self._take(request.model, request, terms)
        scores = [float(overlap(*pair)) for pair in zip(request.queries, request.texts, strict=True)]
        return PairScores(MODEL, scores, usage(request.texts), STAGES)

    async def embed(self, request: EmbedRequest, terms: Terms) -> Embeddings:
        self._take(request.model, request, terms)
        letters = [[list(text).count(letter) for letter in "abc"] for text in request.inputs]
        return Embeddings(MODEL, np.array(letters, dtype=np.float32), usage(request.inputs), STAGES)

    async def tokenize(self, name: str | None, texts: list[str], *, special: bool) -> list[list[Token]]:
        assert name is None
        found = []
        for text in texts:
            words = [Token(len(word[0]), word[0], False, Span(*word.span())) for word in re.finditer(r"\S+", text)]
            found.append([Token(0, "<s>", True, None), *words] if special else words)
        return found

    def _take(self, model: str | None, request: object, terms: Terms) -> None:
        if model is not None and self.find_model(model) is None:
            raise model_not_found(model, self.models())
        self.requests.append(request)
        self.terms.append(terms)
        if self.error is not None:
            raise self.error

    def models(self) -> list[ModelInfo]:
        return [
            ModelInfo(
                id=MODEL,
                aliases=["overlap"],
                summary="Counts words.",
                architecture="none",
                task="rerank",
                embeds=True,
                context_length=512,
                languages=["en"],
                license="Apache-2.0",
                parameters=1,
                created=1_700_000_000,
                price_usd=Decimal("0.008"),
                tokens_price_usd=Decimal("0.02"),
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
