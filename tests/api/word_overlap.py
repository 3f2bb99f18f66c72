"""A ranking service without a model: a document's score is the share of the query's words that it has.

Its tokens are words, and a text's vector is its numbers of the letters a, b and c.
"""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import singledispatch
from typing import Any

import numpy as np

from serve_app.domain.answer import (
    Embeddings,
    PairScores,
    RankedDocument,
    Ranking,
    Span,
    Stages,
    Token,
    TokenLists,
    Usage,
)
from serve_app.domain.float32 import shortest
from serve_app.domain.meter import Hold, Quote
from serve_app.domain.model import ModelFacts, ModelInfo, ModelState, ModelStatus, Pricing
from serve_app.domain.request import Answer, EmbedRequest, ModelRequest, RerankRequest, ScoreRequest, TokenizeRequest
from serve_app.domain.service import Job, Progress, model_not_found
from serve_app.domain.terms import Terms

MODEL = "org/word-overlap"
NANO_DOLLARS_PER_DOCUMENT = 8_000
STAGES = Stages(tokenize=0.001, queue=0.002, score=0.030, merge=0.0004)
FACTS = ModelFacts(
    id=MODEL,
    aliases=("overlap",),
    summary="Counts words.",
    architecture="none",
    head="embedding",
    context_length=512,
    languages=("en",),
    license="Apache-2.0",
    parameters=1,
    pricing=Pricing(usd=Decimal("0.008"), batch_usd=Decimal("0.004"), tokens_usd=Decimal("0.02")),
)


def overlap(query: str, text: str) -> np.float32:
    """The share of the query's words that a text has."""
    words = set(query.split())
    return np.float32(len(words & set(text.split())) / len(words))


def usage(texts: Sequence[object]) -> Usage:
    """Seven tokens and one billed document a text."""
    count = len(texts)
    return Usage(7 * count, count, NANO_DOLLARS_PER_DOCUMENT * count, characters=100)


@singledispatch
def answered(request: Any) -> Any:
    raise NotImplementedError(type(request))


@answered.register
def ranked(request: RerankRequest) -> Ranking:
    texts = [document.text for document in request.documents]
    scores = [overlap(request.query, text) for text in texts]
    best = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[: request.top_n]
    if request.score_threshold is not None:
        best = [i for i in best if shortest(scores[i]) >= request.score_threshold]
    spans = [Span(0, len(text)) if request.return_passages else None for text in texts]
    return Ranking(MODEL, [RankedDocument(i, float(scores[i]), spans[i]) for i in best], usage(texts), STAGES)


@answered.register
def scored(request: ScoreRequest) -> PairScores:
    scores = [float(overlap(*pair)) for pair in zip(request.queries, request.texts, strict=True)]
    return PairScores(MODEL, scores, usage(request.texts), STAGES)


@answered.register
def embedded(request: EmbedRequest) -> Embeddings:
    letters = [[list(text).count(letter) for letter in "abc"] for text in request.inputs]
    return Embeddings(MODEL, np.array(letters, dtype=np.float32), usage(request.inputs), STAGES)


@answered.register
def tokenized(request: TokenizeRequest) -> TokenLists:
    found = []
    for text in request.texts:
        words = [Token(len(word[0]), word[0], False, Span(*word.span())) for word in re.finditer(r"\S+", text)]
        found.append([Token(0, "<s>", True, None), *words] if request.special else words)
    return TokenLists(MODEL, found, usage(request.texts), STAGES)


def texts(request: Any) -> int:
    """How many different texts a request has."""
    match request:
        case RerankRequest():
            return len({document.text for document in request.documents})
        case ScoreRequest():
            return len(set(zip(request.queries, request.texts, strict=True)))
        case EmbedRequest():
            return len(request.inputs)
    return len(request.texts)


class WordOverlap:
    """requests, terms: what was asked, and on which terms. events: what became of the jobs, in order.

    error: raised where the work is done; capture_error: where it is charged. status, created: of its one model.
    """

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.terms: list[Terms] = []
        self.events: list[str] = []
        self.status: ModelStatus = "ready"
        self.precision: str | None = None
        self.pooling: str | None = None
        self.queue_s: float | None = None
        self.documents_per_s: float | None = None
        self.facts = FACTS
        self.width: int | None = None
        self.instruction: str | None = None
        self.error: Exception | None = None
        self.capture_error: Exception | None = None

    @asynccontextmanager
    async def job(self, request: ModelRequest[Answer], terms: Terms) -> AsyncIterator[Job[Answer]]:
        if request.model is not None and self.find_model(request.model) is None:
            raise model_not_found(request.model, self.models())
        self.requests.append(request)
        self.terms.append(terms)
        cost = answered(request).usage
        price = 0 if terms.free else cost.nano_dollars
        hold = await terms.meter.authorise(Quote(MODEL, terms.caller.tier, cost.tokens, cost.documents, price))
        self.events.append("admitted")
        job = WordOverlapJob(self, request, hold)
        try:
            yield job
        finally:
            if not job.captured:
                await hold.release()
            self.events.append("left")

    async def work(self) -> None:
        """What a job does before it has its answer."""
        if self.error is not None:
            raise self.error

    def models(self) -> list[ModelInfo]:
        state = ModelState(
            self.status,
            1_700_000_000,
            replicas=1,
            documents_per_s=self.documents_per_s,
            precision=self.precision,
            pooling=self.pooling,
            queue_s=self.queue_s,
        )
        return [ModelInfo(self.facts, state, context_length=512, width=self.width, instruction=self.instruction)]

    def find_model(self, name: str) -> ModelInfo | None:
        (info,) = self.models()
        return info if name.lower() in {MODEL, "overlap"} else None


class WordOverlapJob:
    """See Job."""

    def __init__(self, service: WordOverlap, request: Any, hold: Hold) -> None:
        self._service, self._request, self._hold = service, request, hold
        self.captured = self.answered = False

    @property
    def progress(self) -> Progress:
        total = texts(self._request)
        return Progress(total if self.answered else 0, total)

    async def answer(self) -> Any:
        await self._service.work()
        self._service.events.append("answered")
        self.answered = True
        return answered(self._request)

    async def capture(self) -> None:
        if self._service.capture_error is not None:
            raise self._service.capture_error
        await self._hold.capture(answered(self._request).usage)
        self.captured = True
        self._service.events.append("captured")
