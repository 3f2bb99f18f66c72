"""A request from text to ranking: tokenise, cut, score, merge."""

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from serve_app.api.errors import APIError, shown
from serve_app.api.routes import model_not_found
from serve_app.api.service import ModelInfo, ModelStatus
from serve_app.api.terms import Terms
from serve_app.catalog.card import Card
from serve_app.engine.backlog import Backlog
from serve_app.engine.tokenizer import Tokenizer
from serve_app.ranking.merge import Scores, best_first, best_passages, sigmoid, unit_cosine
from serve_app.ranking.passages import InputFormat, Passages, PassageTooLongError, TokenIds, cut_passages, cut_query
from serve_app.ranking.price import nano_dollars_per_document
from serve_app.ranking.request import RankedDocument, Ranking, RerankRequest, Usage
from serve_app.serving.availability import Availability
from serve_app.serving.dispatch import Dispatcher

THROUGHPUT_WINDOW_S = 300.0
# A large request goes to the replicas in waves of so much, about 50 ms of a core …
WAVE_CHARACTERS = 100_000
# … and gives way to small ones, which wait for the same threads, after so much.
BITE_CHARACTERS = 20_000
CHARACTERS_PER_TOKEN = 4  # of English text, for what has not been tokenised yet


class Throughput:
    """Documents scored in the last minutes. clock: seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._began = clock, clock()
        self._scored: deque[tuple[float, int]] = deque()
        self._documents = 0

    def add(self, documents: int) -> None:
        """Count documents that were scored just now."""
        self._scored.append((self._clock(), documents))
        self._documents += documents
        self._forget()

    @property
    def documents_per_s(self) -> float | None:
        """Mean over the window, or since the start where that is shorter; None when nothing was scored in it."""
        self._forget()
        if not self._scored:
            return None
        return self._documents / max(min(self._clock() - self._began, THROUGHPUT_WINDOW_S), 1.0)

    def _forget(self) -> None:
        horizon = self._clock() - THROUGHPUT_WINDOW_S
        while self._scored and self._scored[0][0] < horizon:
            self._documents -= self._scored.popleft()[1]


@dataclass(frozen=True, slots=True, eq=False)
class RequestInWork:
    """A request that was taken and is not answered. Its tokens are an estimate."""

    rank: float
    waiting_tokens: int


@dataclass(frozen=True, slots=True)
class BrokenModel:
    """A model that could not be made ready to serve. failure: why."""

    card: Card
    failure: str
    created: int = field(default_factory=lambda: int(time.time()))

    def info(self) -> ModelInfo:
        """What `/v1/models` says of it."""
        return _info(self.card, self.created, self.card.context_length, "failed", failure=self.failure)


@dataclass(slots=True)
class ServedModel:
    """A model with all that turns text into scores."""

    card: Card
    tokenizer: Tokenizer
    form: InputFormat
    dispatcher: Dispatcher
    availability: Availability
    throughput: Throughput = field(default_factory=Throughput)
    backlog: Backlog[RequestInWork] = field(default_factory=Backlog[RequestInWork])
    created: int = field(default_factory=lambda: int(time.time()))

    def relevance(self, scores: Scores) -> Scores:
        """The model's own scores as values from 0 to 1."""
        return sigmoid(scores) if self.form.reads_pairs else unit_cosine(scores)

    def info(self) -> ModelInfo:
        """What `/v1/models` says of it."""
        return _info(
            self.card,
            self.created,
            self.form.max_tokens,
            self.availability.status,
            failure=self.availability.failure,
            replicas=self.dispatcher.running,
            documents_per_s=self.throughput.documents_per_s,
        )


def _info(
    card: Card,
    created: int,
    context_length: int,
    status: ModelStatus,
    *,
    failure: str | None,
    replicas: int = 0,
    documents_per_s: float | None = None,
) -> ModelInfo:
    return ModelInfo(
        id=card.id,
        aliases=card.aliases,
        summary=card.summary,
        architecture=card.architecture,
        task="rerank",
        context_length=context_length,
        languages=card.languages,
        license=card.license,
        parameters=card.parameters,
        created=created,
        price_usd=card.pricing.usd,
        documents_per_s=documents_per_s,
        status=status,
        failure=failure,
        replicas=replicas,
        evaluation=[result.model_dump() for result in card.evaluation],
    )


class Reranker:
    """The service behind the routes.

    models: the served ones, the default first. tokenizer_threads: in which texts are tokenised. max_queue_s: a request
    that would have to wait for longer is refused.
    """

    def __init__(
        self,
        models: Sequence[ServedModel | BrokenModel],
        *,
        tokenizer_threads: int,
        max_concurrent_requests: int,
        max_queue_s: float = math.inf,
    ) -> None:
        self._models = models
        names = ((name.lower(), model) for model in models for name in (model.card.id, *model.card.aliases))
        self._by_name = dict(names)
        self._threads = ThreadPoolExecutor(tokenizer_threads, thread_name_prefix="tokenizer")
        self._max_requests, self._max_queue_s = max_concurrent_requests, max_queue_s
        self._requests = 0

    def models(self) -> list[ModelInfo]:
        """See RankingService."""
        return [model.info() for model in self._models]

    def find_model(self, name: str) -> ModelInfo | None:
        """See RankingService."""
        model = self._by_name.get(name.lower())
        return None if model is None else model.info()

    async def rank(self, request: RerankRequest, terms: Terms) -> Ranking:
        """See RankingService."""
        model = self._by_name.get(request.model.lower())
        if model is None:
            raise model_not_found(request.model, self)
        if isinstance(model, BrokenModel):
            raise APIError("unavailable", f"the model {model.card.id} has failed: {model.failure}", retry_after_s=60)
        if self._requests >= self._max_requests:
            raise APIError("overloaded", f"{self._requests} requests are in work here; try again", retry_after_s=1)
        self._requests += 1
        try:
            await model.availability.require(terms)
            deadline = asyncio.get_running_loop().time() + terms.timeout_s
            with self._in_line(model, request, terms) as wait_s:
                return await self._rank(model, request, terms, deadline, wait_s)
        finally:
            self._requests -= 1

    @contextmanager
    def _in_line(self, model: ServedModel, request: RerankRequest, terms: Terms) -> Iterator[float]:
        """Count a request while it is in work. Gives the seconds until it has its turn.

        Raises APIError overloaded where these are too many.
        """
        characters = len(request.query) + sum(len(document.text) for document in request.documents)
        tokens = characters // CHARACTERS_PER_TOKEN
        rate = model.dispatcher.pace.tokens_per_s * max(model.dispatcher.running, 1)
        now, tenant = time.monotonic(), terms.caller.tenant
        rank = now + tokens / rate if rate else now
        wait_s, limit_s = model.backlog.wait_s(tenant, rank, rate), min(self._max_queue_s, terms.timeout_s)
        if wait_s > limit_s:
            message = f"the request would wait for {wait_s:.1f} s; the limit is {limit_s:.1f} s"
            raise APIError("overloaded", message, retry_after_s=math.ceil(wait_s))
        in_work = RequestInWork(rank, tokens)
        model.backlog.add(tenant, in_work)
        try:
            yield wait_s
        finally:
            model.backlog.discard(tenant, in_work)

    async def _rank(
        self, model: ServedModel, request: RerankRequest, terms: Terms, deadline: float, wait_s: float
    ) -> Ranking:
        # A text that comes twice is scored once.
        places: dict[str, int] = {}
        place_of = [places.setdefault(document.text, len(places)) for document in request.documents]
        tokens = 0
        documents: list[NDArray[np.int32]] = []
        try:
            async with model.dispatcher.request(deadline, terms.caller, wait_s) as spread:
                async for passages in self._read(model, request, list(places)):
                    # A query of its own comes with each part again.
                    tokens += passages.total_tokens - (passages.query_tokens if documents else 0)
                    documents.append(passages.documents)
                    spread.add(passages, tokens * len(places) // (int(passages.documents[-1]) + 1))
        except PassageTooLongError as error:
            raise _too_long(error, place_of, model) from None
        raw = best_passages(spread.scores, np.concatenate(documents), len(places))[place_of]
        shown_scores = raw if request.raw_scores else model.relevance(raw)
        model.throughput.add(len(request.documents))
        return Ranking(
            model=model.card.id,
            results=[RankedDocument(int(i), float(shown_scores[i])) for i in best_first(raw, request.top_n)],
            usage=Usage(
                tokens=tokens,
                documents=len(request.documents),
                nano_dollars=len(request.documents) * nano_dollars_per_document(model.card.pricing.usd),
            ),
        )

    async def _read(self, model: ServedModel, request: RerankRequest, texts: list[str]) -> AsyncIterator[Passages]:
        """Tokenise the query once and each text once, and cut them as the model reads them, part by part.

        Raises PassageTooLongError when the request forbids to truncate.
        """
        loop = asyncio.get_running_loop()
        query: TokenIds | None = None
        read = 0
        for wave in slices([request.query, *texts], WAVE_CHARACTERS):
            token_ids = [
                ids
                for bite in slices(wave, BITE_CHARACTERS)
                for ids in await loop.run_in_executor(self._threads, model.tokenizer.encode, bite)
            ]
            if query is None:
                whole = token_ids.pop(0)
                query = cut_query(whole, model.form, max_tokens=request.max_query_tokens, truncate=request.truncate)
            if token_ids:
                yield cut_passages(
                    query,
                    token_ids,
                    model.form,
                    max_tokens=request.max_document_tokens,
                    truncate=request.truncate,
                    first_document=read,
                )
            read += len(token_ids)


def slices(texts: list[str], characters: int) -> Iterator[list[str]]:
    """The texts in order, in lists of about so many characters."""
    part: list[str] = []
    held = 0
    for text in texts:
        part.append(text)
        held += len(text)
        if held >= characters:
            yield part
            part, held = [], 0
    if part:
        yield part


def _too_long(error: PassageTooLongError, place_of: list[int], model: ServedModel) -> APIError:
    param = "query" if error.document < 0 else f"documents[{place_of.index(error.document)}]"
    reads = f"{shown(model.card.id)} reads at most {error.limit:,} of it"
    advice = 'Set "truncate": true to cut it.'
    return APIError("invalid_request", f"{param} has {error.tokens:,} tokens; {reads}. {advice}", param)
