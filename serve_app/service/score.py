"""Scoring pairs: a query and a text each, answered in their order."""

from serve_app.domain.answer import PairScores
from serve_app.domain.passages import PassageTooLongError
from serve_app.domain.price import Price
from serve_app.domain.request import ScoreRequest
from serve_app.service.admission import Demand
from serve_app.service.operation import Means, too_long
from serve_app.service.prompts import ranking_prompts
from serve_app.service.reader import Group
from serve_app.service.scoring import Scoring
from serve_app.service.served import ServedModel


class Score:
    """A score request on a model."""

    def __init__(self, model: ServedModel, request: ScoreRequest, price: Price, max_passages: int) -> None:
        """Raises ServiceError where the request cannot be done on this model."""
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
        self._model, self._request = model, request
        prompts = ranking_prompts(model, request.reading, instruction=request.instruction)
        self._scoring = Scoring(model, groups, place_of, request.reading, price, max_passages, *prompts)

    @property
    def demand(self) -> Demand:
        """See Operation."""
        return self._scoring.demand

    @property
    def texts(self) -> int:
        """See Operation."""
        return self._scoring.texts

    async def run(self, means: Means) -> PairScores:
        """See Operation."""
        scoring, request = self._scoring, self._request
        reader = scoring.reader(means)
        try:
            scored = await scoring.run(reader, means)
        except PassageTooLongError as error:
            raise too_long(error, request.names, scoring.place_of, self._query_numbers()) from None
        raw = scored.scores[scoring.place_of]
        scores = raw if request.raw_scores else self._model.relevance(raw)
        usage = scoring.usage(scored, reader.tokens)
        return PairScores(self._model.card.id, scores.tolist(), usage, scored.stages)

    def _query_numbers(self) -> list[int]:
        """The number of each pair's query; none where all have the same."""
        groups = self._scoring.groups
        numbers = {group.query: number for number, group in enumerate(groups)}
        return [numbers[query] for query in self._request.queries] if len(groups) > 1 else []
