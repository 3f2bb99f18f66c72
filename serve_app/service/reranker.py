"""Requests from text to answer: tokenise, cut, score, merge."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from serve_app.domain.answer import Embeddings, PairScores, RankedDocument, Ranking, Span, Stages, Token, Usage
from serve_app.domain.errors import ServiceError, shown
from serve_app.domain.merge import Scores, best_first, best_passages, winning_passages
from serve_app.domain.model import ModelInfo
from serve_app.domain.passages import Passages, PassageTooLongError, TokenIds
from serve_app.domain.price import nano_dollars_per_document, nano_dollars_per_token
from serve_app.domain.request import EmbedRequest, FieldNames, Reading, RerankRequest, ScoreRequest
from serve_app.domain.service import model_not_found
from serve_app.domain.terms import Terms
from serve_app.service.dispatch import Spread
from serve_app.service.reader import Group, Reader, in_bites
from serve_app.service.served import BrokenModel, RequestInWork, ServedModel

CHARACTERS_PER_TOKEN = 4  # of English text, for what has not been tokenised yet
# A vector is some KiB: so many make a message of less than the 4 MiB that Serve sends.
VECTORS_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Scored:
    """Texts that were scored.

    scores: float32 (texts,), of the best passage of each. passages: int64 (texts,), how many each has. first, tokens:
    (texts,), the best passage's first token in its text, and how many it has.
    """

    scores: Scores
    passages: NDArray[np.int64]
    first: NDArray[np.int32]
    tokens: NDArray[np.int64]


class Reranker:
    """The service behind the routes.

    models: the served ones, the default first. tokenizer_threads: in which texts are tokenised. max_passages: of one
    request. max_queue_s: a request that would have to wait for longer is refused.
    """

    def __init__(
        self,
        models: Sequence[ServedModel | BrokenModel],
        *,
        tokenizer_threads: int,
        max_concurrent_requests: int,
        max_passages: int,
        max_queue_s: float = math.inf,
    ) -> None:
        self._models = models
        names = ((name.lower(), model) for model in models for name in (model.card.id, *model.card.aliases))
        self._by_name = dict(names)
        self._threads = ThreadPoolExecutor(tokenizer_threads, thread_name_prefix="tokenizer")
        self._max_requests, self._max_passages, self._max_queue_s = max_concurrent_requests, max_passages, max_queue_s
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
        # A text that comes twice is scored once.
        places: dict[str, int] = {}
        place_of = [places.setdefault(document.text, len(places)) for document in request.documents]
        groups = [Group(request.query, list(places))]
        model = self._find(request.model)
        async with self._at_work(model, groups, request.reading, terms) as (reader, scoring):
            try:
                scored, stages = await self._score(reader, groups, scoring)
            except PassageTooLongError as error:
                raise _too_long(error, request.names, place_of) from None
            began = time.perf_counter()
            raw = scored.scores[place_of]
            shown_scores = raw if request.raw_scores else model.relevance(raw)
            order = best_first(raw, request.top_n)
            spans: list[Span | None] = [None] * len(order)
            if request.return_passages:
                texts = [request.documents[i].text for i in order]
                spans[:] = _spans(await reader.spans(texts), scored, [place_of[i] for i in order], texts)
            results = [
                RankedDocument(int(i), float(shown_scores[i]), span) for i, span in zip(order, spans, strict=True)
            ]
            stages = replace(stages, tokenize=reader.seconds, merge=time.perf_counter() - began)
        return Ranking(model.card.id, results, self._bill(model, scored, place_of, groups, reader.tokens), stages)

    async def score(self, request: ScoreRequest, terms: Terms) -> PairScores:
        """See RankingService."""
        # Texts beside the same query are read together.
        by_query: dict[str, dict[str, int]] = {}
        for query, text in zip(request.queries, request.texts, strict=True):
            by_query.setdefault(query, {}).setdefault(text, 0)
        count = 0
        for texts in by_query.values():
            for text in texts:
                texts[text], count = count, count + 1
        place_of = [by_query[query][text] for query, text in zip(request.queries, request.texts, strict=True)]
        groups = [Group(query, list(texts)) for query, texts in by_query.items()]
        model = self._find(request.model)
        async with self._at_work(model, groups, request.reading, terms) as (reader, scoring):
            try:
                scored, stages = await self._score(reader, groups, scoring)
            except PassageTooLongError as error:
                numbers = {query: number for number, query in enumerate(by_query)} if len(by_query) > 1 else {}
                queries = [numbers[query] for query in request.queries] if numbers else []
                raise _too_long(error, request.names, place_of, queries) from None
        raw = scored.scores[place_of]
        scores = raw if request.raw_scores else model.relevance(raw)
        usage = self._bill(model, scored, place_of, groups, reader.tokens)
        return PairScores(model.card.id, scores.tolist(), usage, stages)

    async def embed(self, request: EmbedRequest, terms: Terms) -> Embeddings:
        """See RankingService."""
        model = self._find(request.model)
        if model.width is None:
            message = f"{shown(model.card.id)} is a cross-encoder: it scores pairs and has no embeddings"
            raise ServiceError("invalid_request", message, "model")
        if request.dimensions not in {None, model.width}:
            message = f"dimensions must be {model.width} for {shown(model.card.id)}; got {request.dimensions}"
            raise ServiceError("invalid_request", message, "dimensions")
        inputs = [
            text if isinstance(text, str) else _own_ids(text, request.names.document(place), model)
            for place, text in enumerate(request.inputs)
        ]
        texts = [Group("", [text for text in inputs if isinstance(text, str)])]
        reading = Reading(truncate=request.truncate, truncated_side=request.truncated_side)
        async with self._at_work(model, texts, reading, terms) as (reader, scoring):
            try:
                async with scoring as spread:
                    async for passages in reader.texts(inputs, VECTORS_AT_ONCE):
                        spread.add(passages)
            except PassageTooLongError as error:
                raise _too_long(error, request.names, range(len(inputs))) from None
            stages = _stages(reader, spread)
        price = nano_dollars_per_token(model.card.pricing.tokens_usd)
        usage = Usage(reader.tokens, 0, reader.tokens * price, sum(map(len, texts[0].texts)))
        return Embeddings(model.card.id, spread.results, usage, stages)

    async def tokenize(self, name: str | None, texts: list[str], *, special: bool) -> list[list[Token]]:
        """See RankingService."""
        model = self._find(name)
        return await in_bites(partial(model.tokenizer.tokens, special=special), texts, self._threads)

    def _find(self, name: str | None) -> ServedModel:
        model = self._models[0] if name is None else self._by_name.get(name.lower())
        if model is None:
            raise model_not_found(str(name), self.models())
        if isinstance(model, BrokenModel):
            raise ServiceError(
                "unavailable", f"the model {model.card.id} has failed: {model.failure}", retry_after_s=60
            )
        return model

    @asynccontextmanager
    async def _at_work(
        self, model: ServedModel, groups: Sequence[Group], reading: Reading, terms: Terms
    ) -> AsyncIterator[tuple[Reader, AbstractAsyncContextManager[Spread]]]:
        """Have a request in work, on a model that is awake. Gives a reader of its texts, and what scores them.

        Raises ServiceError: invalid_request, overloaded, model_cold, unavailable.
        """
        if (most := reading.max_sequence_tokens) is not None and most <= model.form.special_tokens:
            param, least = "truncate_prompt_tokens", model.form.special_tokens + 1
            message = f"{param} must be at least {least} for {shown(model.card.id)}; got {most}"
            raise ServiceError("invalid_request", message, param)
        form = model.form.within(most)
        if self._requests >= self._max_requests:
            raise ServiceError("overloaded", f"{self._requests} requests are in work here; try again", retry_after_s=1)
        self._requests += 1
        try:
            await model.availability.require(terms)
            deadline = asyncio.get_running_loop().time() + terms.timeout_s
            with self._in_line(model, groups, reading, terms) as wait_s:
                scoring = model.dispatcher.request(deadline, terms.caller, wait_s)
                yield Reader(model.tokenizer, form, self._threads, reading), scoring
        finally:
            self._requests -= 1

    @contextmanager
    def _in_line(self, model: ServedModel, groups: Sequence[Group], reading: Reading, terms: Terms) -> Iterator[float]:
        """Count a request while it is in work. Gives the seconds until it has its turn.

        Raises ServiceError overloaded where these are too many.
        """
        tokens = _estimated_tokens(model, groups, reading)
        rate = model.dispatcher.pace.tokens_per_s * max(model.dispatcher.running, 1)
        now, tenant = time.monotonic(), terms.caller.tenant
        rank = now + tokens / rate if rate else now
        wait_s, limit_s = model.backlog.wait_s(tenant, rank, rate), min(self._max_queue_s, terms.timeout_s)
        if wait_s > limit_s:
            message = f"the request would wait for {wait_s:.1f} s; the limit is {limit_s:.1f} s"
            raise ServiceError("overloaded", message, retry_after_s=math.ceil(wait_s))
        in_work = RequestInWork(rank, tokens)
        model.backlog.add(tenant, in_work)
        try:
            yield wait_s
        finally:
            model.backlog.discard(tenant, in_work)

    async def _score(
        self, reader: Reader, groups: Sequence[Group], scoring: AbstractAsyncContextManager[Spread]
    ) -> tuple[Scored, Stages]:
        """The texts of all groups, counted through. Raises PassageTooLongError, and ServiceError as Dispatcher.request."""
        count, passages = sum(len(group.texts) for group in groups), 0
        parts: list[Passages] = []
        async with scoring as spread:
            async for part in reader.groups(groups):
                parts.append(part)
                passages += len(part.token_ids)
                if passages > self._max_passages:
                    limit = f"at most {self._max_passages:,} are scored for one request"
                    message = f"the documents have more than {self._max_passages:,} passages; {limit}"
                    raise ServiceError("invalid_request", message, "max_chunks_per_doc")
                spread.add(part, reader.tokens * count // (int(part.documents[-1]) + 1))
        owners = np.concatenate([part.documents for part in parts])
        scores = best_passages(spread.results, owners, count)
        winners = winning_passages(spread.results, owners, scores)
        first = np.concatenate([part.starts for part in parts])[winners]
        lengths = np.fromiter((ids.size for part in parts for ids in part.token_ids), np.int64, count=owners.size)
        scored = Scored(scores, np.bincount(owners, minlength=count), first, lengths[winners])
        return scored, _stages(reader, spread)

    @staticmethod
    def _bill(
        model: ServedModel, scored: Scored, place_of: Sequence[int], groups: Sequence[Group], tokens: int
    ) -> Usage:
        documents = int(scored.passages[place_of].sum())
        model.throughput.add(documents)
        price = nano_dollars_per_document(model.card.pricing.usd)
        characters = sum(len(group.query) + sum(map(len, group.texts)) for group in groups)
        return Usage(tokens, documents, documents * price, characters)


def _stages(reader: Reader, spread: Spread) -> Stages:
    score_s = 0.0 if spread.began is None else asyncio.get_running_loop().time() - spread.began - spread.queue_s
    return Stages(reader.seconds, spread.queue_s, max(score_s, 0.0))


def _estimated_tokens(model: ServedModel, groups: Sequence[Group], reading: Reading) -> int:
    """Tokens that the model will read, as far as the lengths of the texts tell."""
    most = (reading.max_passages or math.inf) * model.form.max_tokens * CHARACTERS_PER_TOKEN
    characters = sum(
        min(len(text) + (len(group.query) if model.form.reads_pairs else 0), most)
        for group in groups
        for text in group.texts
    )
    return int(characters) // CHARACTERS_PER_TOKEN


def _spans(tokens: list[list[Span]], scored: Scored, places: list[int], texts: list[str]) -> list[Span]:
    """Where each text's best passage lies in it, without white space around it. tokens: the spans of all tokens."""
    found = []
    for spans, place, text in zip(tokens, places, texts, strict=True):
        read = spans[scored.first[place] : scored.first[place] + scored.tokens[place]]
        start, end = (read[0].start, read[-1].end) if read else (0, 0)
        passage = text[start:end]
        start += len(passage) - len(passage.lstrip())
        found.append(Span(start, max(start, end - len(passage) + len(passage.rstrip()))))
    return found


def _own_ids(given: Sequence[int], name: str, model: ServedModel) -> TokenIds:
    """Token ids of a text without the special tokens around it. Raises ServiceError where the model has no such id."""
    vocabulary = model.tokenizer.vocabulary
    for index, token in enumerate(given):
        if not 0 <= token < vocabulary:
            param = f"{name}[{index}]"
            limit = f"{shown(model.card.id)} has ids from 0 to {vocabulary - 1:,}"
            raise ServiceError("invalid_request", f"{param} is {shown(token)}; {limit}", param)
    ids = np.array(given, dtype=np.int32)
    opening, closing = model.form.opening, model.form.closing
    framed = ids.size >= opening.size + closing.size
    if framed and np.array_equal(ids[: opening.size], opening) and np.array_equal(ids[-closing.size :], closing):
        return ids[opening.size : ids.size - closing.size]
    return ids


def _too_long(
    error: PassageTooLongError, names: FieldNames, place_of: Sequence[int], queries: Sequence[int] = ()
) -> ServiceError:
    """place_of: the place that each document is scored at. queries: the number of each one's query, where several."""
    if error.document >= 0:
        param = names.document(place_of.index(error.document))
    else:
        param = f"{names.query}[{queries.index(-1 - error.document)}]" if queries else names.query
    advice = 'Set "truncate": true to cut it.'
    message = f"{param} has {error.tokens:,} tokens; the model reads at most {error.limit:,} of it. {advice}"
    return ServiceError("invalid_request", message, param, fault="size")
