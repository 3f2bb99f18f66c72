"""A request from text to ranking: tokenise, cut, score, merge."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from serve_app.api.errors import APIError, shown
from serve_app.api.routes import model_not_found
from serve_app.api.service import ModelInfo
from serve_app.catalog.card import Card
from serve_app.engine.tokenizer import Tokenizer
from serve_app.ranking.merge import Scores, best_first, best_passages, sigmoid, unit_cosine
from serve_app.ranking.passages import InputFormat, Passages, PassageTooLongError, TokenIds, cut_passages, cut_query
from serve_app.ranking.price import nano_dollars_per_document
from serve_app.ranking.request import RankedDocument, Ranking, RerankRequest, Usage
from serve_app.serving.dispatch import Dispatcher

THROUGHPUT_WINDOW_S = 300.0
# About 50 ms of a core: a large request gives way to small ones in between, and ends when its time does.
TOKENIZED_AT_ONCE = 100_000


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


@dataclass(slots=True)
class ServedModel:
    """A model with all that turns text into scores. running: how many replicas run now."""

    card: Card
    tokenizer: Tokenizer
    form: InputFormat
    dispatcher: Dispatcher
    running: Callable[[], int]
    throughput: Throughput = field(default_factory=Throughput)
    created: int = field(default_factory=lambda: int(time.time()))

    def relevance(self, scores: Scores) -> Scores:
        """The model's own scores as values from 0 to 1."""
        return sigmoid(scores) if self.form.reads_pairs else unit_cosine(scores)

    def info(self) -> ModelInfo:
        """What `/v1/models` says of it."""
        card = self.card
        return ModelInfo(
            id=card.id,
            aliases=card.aliases,
            summary=card.summary,
            architecture=card.architecture,
            task="rerank",
            context_length=self.form.max_tokens,
            languages=card.languages,
            license=card.license,
            parameters=card.parameters,
            created=self.created,
            price_usd=card.pricing.usd,
            documents_per_s=self.throughput.documents_per_s,
            status="ready" if self.running() else "loading",
            evaluation=[result.model_dump() for result in card.evaluation],
        )


class Reranker:
    """The service behind the routes.

    models: the served ones, the default first. tokenizer_threads: in which texts are tokenised.
    """

    def __init__(self, models: list[ServedModel], *, tokenizer_threads: int, max_concurrent_requests: int) -> None:
        self._models = models
        names = ((name.lower(), model) for model in models for name in (model.card.id, *model.card.aliases))
        self._by_name = dict(names)
        self._threads = ThreadPoolExecutor(tokenizer_threads, thread_name_prefix="tokenizer")
        self._max_requests = max_concurrent_requests
        self._requests = 0

    def models(self) -> list[ModelInfo]:
        """See RankingService."""
        return [model.info() for model in self._models]

    def find_model(self, name: str) -> ModelInfo | None:
        """See RankingService."""
        model = self._by_name.get(name.lower())
        return None if model is None else model.info()

    async def rank(self, request: RerankRequest, timeout_s: float) -> Ranking:
        """See RankingService."""
        model = self._by_name.get(request.model.lower())
        if model is None:
            raise model_not_found(request.model, self)
        if self._requests >= self._max_requests:
            raise APIError("overloaded", f"{self._requests} requests are in work here; try again", retry_after_s=1)
        deadline = asyncio.get_running_loop().time() + timeout_s
        self._requests += 1
        try:
            return await self._rank(model, request, deadline)
        finally:
            self._requests -= 1

    async def _rank(self, model: ServedModel, request: RerankRequest, deadline: float) -> Ranking:
        # A text that comes twice is scored once.
        places: dict[str, int] = {}
        place_of = [places.setdefault(document.text, len(places)) for document in request.documents]
        try:
            async with asyncio.timeout_at(deadline):
                passages = await self._read(model, request, list(places))
        except PassageTooLongError as error:
            raise _too_long(error, place_of, model) from None
        except TimeoutError:
            raise APIError("deadline_exceeded", "the request's time ran out while it was tokenised") from None
        passage_scores = await model.dispatcher.score(passages, deadline)
        raw = best_passages(passage_scores, passages.documents, len(places))[place_of]
        shown_scores = raw if request.raw_scores else model.relevance(raw)
        model.throughput.add(len(request.documents))
        return Ranking(
            model=model.card.id,
            results=[RankedDocument(int(i), float(shown_scores[i])) for i in best_first(raw, request.top_n)],
            usage=Usage(
                tokens=passages.total_tokens,
                documents=len(request.documents),
                nano_dollars=len(request.documents) * nano_dollars_per_document(model.card.pricing.usd),
            ),
        )

    async def _read(self, model: ServedModel, request: RerankRequest, texts: list[str]) -> Passages:
        """Tokenise the query once and each text once, and cut them as the model reads them.

        Raises PassageTooLongError when the request forbids to truncate.
        """
        loop = asyncio.get_running_loop()
        token_ids: list[TokenIds] = []
        for part in slices([request.query, *texts], TOKENIZED_AT_ONCE):
            token_ids += await loop.run_in_executor(self._threads, model.tokenizer.encode, part)
        query = cut_query(token_ids[0], model.form, max_tokens=request.max_query_tokens, truncate=request.truncate)
        return cut_passages(
            query, token_ids[1:], model.form, max_tokens=request.max_document_tokens, truncate=request.truncate
        )


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
