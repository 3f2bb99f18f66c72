"""Ranking: documents in the order of their relevance to a query."""

import time
from dataclasses import replace

from serve_app.domain.answer import RankedDocument, Ranking, Span
from serve_app.domain.float32 import shortest_each
from serve_app.domain.merge import best_first
from serve_app.domain.passages import PassageTooLongError
from serve_app.domain.price import Price
from serve_app.domain.request import RerankRequest
from serve_app.engine.tokenizer import Places
from serve_app.service.admission import Demand
from serve_app.service.operation import Means, too_long
from serve_app.service.prompts import ranking_prompts
from serve_app.service.reader import Group, Reader
from serve_app.service.scoring import Scored, Scoring
from serve_app.service.served import ServedModel


class Rank:
    """A rerank request on a model."""

    def __init__(self, model: ServedModel, request: RerankRequest, price: Price, max_passages: int) -> None:
        """Raises ServiceError where the request cannot be done on this model."""
        # A text that comes twice is scored once.
        places: dict[str, int] = {}
        place_of = [places.setdefault(document.text, len(places)) for document in request.documents]
        groups = [Group(request.query, list(places))]
        self._model, self._request = model, request
        prompts = ranking_prompts(model, request.reading, request.prompt_name, request.instruction)
        self._scoring = Scoring(model, groups, place_of, request.reading, price, max_passages, *prompts)

    @property
    def demand(self) -> Demand:
        """See Operation."""
        return self._scoring.demand

    @property
    def texts(self) -> int:
        """See Operation."""
        return self._scoring.texts

    async def run(self, means: Means) -> Ranking:
        """See Operation."""
        scoring, request = self._scoring, self._request
        reader = scoring.reader(means)
        try:
            scored = await scoring.run(reader, means)
        except PassageTooLongError as error:
            raise too_long(error, request.names, scoring.place_of) from None
        began = time.perf_counter()
        raw = scored.scores[scoring.place_of]
        shown = raw if request.raw_scores else self._model.relevance(raw)
        order = best_first(raw, request.top_n)
        if request.score_threshold is not None:
            order = order[shortest_each(shown[order]) >= request.score_threshold]
        spans = await self._spans(order.tolist(), scored, reader) if request.return_passages else [None] * len(order)
        results = [
            RankedDocument(index, score, span)
            for index, score, span in zip(order.tolist(), shown[order].tolist(), spans, strict=True)
        ]
        stages = replace(scored.stages, tokenize=reader.seconds, merge=time.perf_counter() - began)
        return Ranking(self._model.card.id, results, scoring.usage(scored, reader.tokens), stages)

    async def _spans(self, order: list[int], scored: Scored, reader: Reader) -> list[Span | None]:
        """Where each returned document's best passage lies."""
        texts = [self._request.documents[index].text for index in order]
        places = [self._scoring.place_of[index] for index in order]
        firsts, sizes = scored.best()
        ends = (firsts + sizes)[places].tolist()
        found: list[Span | None] = []
        for place, end, text, tokens in zip(places, ends, texts, await reader.spans(texts, ends), strict=True):
            found.append(_span(text, tokens[firsts[place] : end]))
        return found


def _span(text: str, tokens: Places) -> Span:
    """Where a passage lies in its text, without white space around it. tokens: the spans of its tokens."""
    start, end = (int(tokens[0, 0]), int(tokens[-1, 1])) if len(tokens) else (0, 0)
    passage = text[start:end]
    start += len(passage) - len(passage.lstrip())
    return Span(start, max(start, end - len(passage) + len(passage.rstrip())))
