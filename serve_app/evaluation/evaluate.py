"""A collection and a scorer to an outcome."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from serve_app.domain.errors import UserError, shown
from serve_app.evaluation.at_once import for_each
from serve_app.evaluation.collection import Collection, Judgements
from serve_app.evaluation.depths import (
    TIMED_QUERIES,
    Ranked,
    ask_alone,
    by_place,
    median_and_slow,
    moved,
    reranked,
    spread,
    times,
    usd_per_1k_queries,
)
from serve_app.evaluation.intervals import mean_with_interval
from serve_app.evaluation.kept import KeptScores
from serve_app.evaluation.metrics import Measure, measure, values
from serve_app.evaluation.outcome import Depth, Difference, Figure, Outcome, QueryOutcome
from serve_app.evaluation.paired import difference
from serve_app.evaluation.scorer import QueryScores, Scorer

AT_ONCE = 4  # queries

PerMeasure = Mapping[str, Mapping[str, float]]  # measure → query id → value


async def evaluate(
    collection: Collection,
    scorer: Scorer,
    *,
    ks: Sequence[int] = (),
    measures: Sequence[str],
    kept: KeptScores,
    command: str,
    at: str,
    remarks: Sequence[str] = (),
    at_once: int = AT_ONCE,
    watch: Callable[[int, int], object] = lambda *_: None,
    timed_queries: int = TIMED_QUERIES,
) -> Outcome:
    """Score the candidates of each query, and say how good their order is before and after.

    ks: how many of a query's candidates are reranked; those behind stay in the first stage's order. Empty for all of
    them, as it must be where the candidates come in no order. The largest is scored, and the others follow from the
    same scores. measures: names, the first one leads. kept: what has a score there is not scored again, and each answer
    is kept at once, so that a run that was stopped goes on. at_once: queries. watch: told of documents. timed_queries:
    that are asked once more, alone, at each of the ks of a first stage; they cost what they cost, and are kept, too.

    A query with relevant documents and without candidates counts 0 before and after. Ties of scores are in the first
    stage's order, as the API has them; where that means nothing, the measures see the scores themselves.

    Raises UserError where the collection has no candidates, a measure is not known, or the scorer fails.
    """
    asked = [measure(name) for name in measures]
    ranked = list(_ranked(collection))
    depths = _depths(collection, ranked, ks)
    most = depths[-1]
    timed = spread(ranked, timed_queries) if collection.first_stage else []
    told = _Told(watch, _documents(ranked, [most]) + _documents(timed, depths))
    await _score(scorer, kept, ranked, most, at_once=at_once, told=told)
    await ask_alone(scorer, kept, timed, depths, told)

    scores = {
        each.id: dict(zip(each.candidates[:most], kept.scores(each.query, each.texts[:most]), strict=True))
        for each in ranked
    }
    judged, said = _judged(collection, ranked)
    view = _View(collection, ranked, scores, judged, asked)
    before = view.values(None) if collection.first_stage else {}
    by_depth = {k: view.values(k) for k in depths}
    after = by_depth[most]
    spent = kept.spent([each.query for each in ranked])
    return Outcome(
        collection=collection,
        scorer=scorer.facts,
        k=most,
        command=command,
        at=at,
        measures=[each.name for each in asked],
        before=_figures(before),
        after=_figures(after),
        change=_differences(before, after),
        queries=[view.outcome(each, most, before, after) for each in ranked],
        depths=[
            _depth(view, k, before, by_depth, answers=times(kept, timed, k), price=scorer.facts.usd_per_1k_documents)
            for k in (depths if collection.first_stage else ())
        ],
        remarks=[*remarks, *said],
        seconds=spent.seconds,
        documents=spent.documents,
        tokens=spent.tokens,
        nano_dollars=spent.nano_dollars,
    )


class _Told:
    """How far the work is, in documents."""

    def __init__(self, watch: Callable[[int, int], object], total: int) -> None:
        self._watch, self._total, self._done = watch, total, 0

    def __call__(self, documents: int) -> None:
        self._done += documents
        self._watch(self._done, self._total)


def _documents(asked: Sequence[Ranked], ks: Sequence[int]) -> int:
    return sum(min(k, len(each.candidates)) for each in asked for k in ks)


def _ranked(collection: Collection) -> Iterator[Ranked]:
    """The queries that have candidates. Raises UserError where none has, or a candidate cannot be ranked."""
    if collection.candidates is None:
        raise UserError(f"{collection.name} has no candidates to rerank; find some among its documents: --first bm25")
    if not any(collection.candidates.get(query) for query in collection.queries):
        raise UserError(f"{collection.name}: no query has a candidate to rerank")
    for query, text in collection.queries.items():
        candidates = collection.candidates.get(query, ())
        seen: set[str] = set()
        for document in candidates:
            if document in seen:
                raise UserError(f"query {shown(query)}: the document {shown(document)} is twice among its candidates")
            if document not in collection.documents:
                raise UserError(f"query {shown(query)}: the document {shown(document)} has no text")
            seen.add(document)
        if candidates:
            yield Ranked(query, text, candidates, [collection.documents[document] for document in candidates])


def _depths(collection: Collection, ranked: Sequence[Ranked], ks: Sequence[int]) -> list[int]:
    """How many candidates are reranked, ascending. Raises UserError where that cannot be done."""
    most = max(len(each.candidates) for each in ranked)
    if not ks:
        return [most]
    if (least := min(ks)) < 1:
        raise UserError(f"k must be 1 or more; got {least}")
    if not collection.first_stage and (len(set(ks)) > 1 or max(ks) < most):
        raise UserError(f"the candidates of {collection.name} come in no order: all of them are ranked; leave k out")
    return sorted(set(ks))


async def _score(
    scorer: Scorer,
    kept: KeptScores,
    ranked: Sequence[Ranked],
    k: int,
    *,
    at_once: int,
    told: Callable[[int], object],
) -> None:
    """Have every first k candidate scored. Raises UserError naming the query that cannot be."""

    async def ask(each: Ranked) -> None:
        texts = each.texts[:k]
        if missing := kept.missing(each.query, texts):
            try:
                answer = await scorer.score(each.query, missing)
            except UserError as error:
                raise UserError(f"query {shown(each.id)}: {error}") from None
            if len(answer.scores) != len(missing) or not all(map(math.isfinite, answer.scores)):
                said = f"{len(answer.scores):,} scores for {len(missing):,} documents, or one that is no number"
                raise UserError(f"query {shown(each.id)}: {scorer.facts.model} gave {said}")
            kept.add(each.query, missing, answer)
        told(len(texts))

    await for_each(ranked, ask, at_once=at_once)


def _judged(collection: Collection, ranked: Sequence[Ranked]) -> tuple[Judgements, list[str]]:
    """The judgements that count, and what must be said of the queries."""
    said = []
    if empty := len(collection.queries) - len(ranked):
        said.append(f"queries without candidates: {empty:,}; those with a relevant document count 0 before and after")
    if strangers := len((collection.candidates or {}).keys() - collection.queries.keys()):
        said.append(f"queries with candidates and without a text: {strangers:,}; they are left out")
    judged = {query: collection.judgements[query] for query in collection.answerable}
    if collection.judgements and not judged:
        said.append("no query has a relevant document: nothing can be said of quality")
    return judged, said


@dataclass(frozen=True, slots=True)
class _View:
    """The same scores, seen at several depths. scores: by query and document."""

    collection: Collection
    ranked: Sequence[Ranked]
    scores: Mapping[str, Mapping[str, float]]
    judged: Judgements
    measures: Sequence[Measure]

    def ranking(self, each: Ranked, k: int) -> list[str]:
        """A query's documents, best first."""
        return reranked(each.candidates, self.scores[each.id], k)

    def values(self, k: int | None) -> PerMeasure:
        """Each measure's values of the judged queries; empty where there are none. k: None for the first stage."""
        if not self.judged:
            return {}
        if not self.collection.first_stage:
            return values(self.scores, self.judged, self.measures)
        run = {each.id: by_place(each.candidates if k is None else self.ranking(each, k)) for each in self.ranked}
        return values(run, self.judged, self.measures)

    def outcome(self, each: Ranked, k: int, before: PerMeasure, after: PerMeasure) -> QueryOutcome:
        """What became of one query."""
        return QueryOutcome(
            id=each.id,
            before=list(each.candidates),
            after=self.ranking(each, k),
            before_values=_of(before, each.id),
            after_values=_of(after, each.id),
            scores=self.scores[each.id],
        )


def _of(per_measure: PerMeasure, query: str) -> dict[str, float]:
    return {name: by_query[query] for name, by_query in per_measure.items() if query in by_query}


def _figures(per_measure: PerMeasure) -> dict[str, Figure]:
    """Means. Raises UserError for a measure by which no query counts; what was scored is kept."""
    for name, by_query in per_measure.items():
        if not by_query:
            raise UserError(f"{name} counts for none of the queries: take another measure (--measure)")
    return {name: mean_with_interval(by_query.values()) for name, by_query in per_measure.items()}


def _differences(first: PerMeasure, second: PerMeasure) -> dict[str, Difference]:
    return {name: difference(first[name], second[name]) for name in first}


def _depth(
    view: _View,
    k: int,
    before: PerMeasure,
    by_depth: Mapping[int, PerMeasure],
    *,
    answers: Sequence[QueryScores],
    price: str | None,
) -> Depth:
    """What is known of a depth. answers: to the queries that were timed at it. price: of 1,000 documents, dollars."""
    here = by_depth[k]
    # Of depths that are equally good, the smallest: it is the cheapest.
    best = {name: max(by_depth, key=lambda depth: (_mean(by_depth[depth][name].values()), -depth)) for name in here}
    median, slow = median_and_slow(answers)
    return Depth(
        k=k,
        figures=_figures(here),
        seconds=median,
        slow_seconds=slow,
        timed=len(answers),
        usd_per_1k_queries=usd_per_1k_queries(view.ranked, k, price, answers),
        moved=_mean([moved(each.candidates, view.ranking(each, k)) for each in view.ranked]),
        gain=_differences(before, here),
        behind={name: difference(by_depth[best[name]][name], here[name]) for name in here},
    )


def _mean(numbers: Iterable[float]) -> float:
    return float(np.mean(list(numbers)))
