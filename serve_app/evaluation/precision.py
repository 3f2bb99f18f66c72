"""What a lower precision changes: the same pairs scored in float32 and in others, and their rankings compared."""

import random
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from serve_app.domain.errors import UserError, shown
from serve_app.domain.measured import Interval, PrecisionCheck, kept
from serve_app.domain.model import Precision
from serve_app.evaluation.agreement import rank_correlation, top_agreement
from serve_app.evaluation.at_once import for_each
from serve_app.evaluation.collection import Collection, Run
from serve_app.evaluation.metrics import Measure, measure, values
from serve_app.evaluation.paired import difference
from serve_app.evaluation.scorer import Scorer, ScorerFacts

LOWER: tuple[Precision, ...] = ("fast", "int8", "fp8")
SAMPLED_QUERIES = SAMPLED_DOCUMENTS = 100  # of a collection whose queries have no candidates
FEWEST = 2  # candidates of a query that has an order
SEED = 20
AT_ONCE = 4  # queries, so that a device has a step to compute while the next one is read

Scores = Sequence[NDArray[np.float64]]  # a row for each query, in the order of its candidates
OpenScorer = Callable[[Precision], AbstractAsyncContextManager[Scorer]]


@dataclass(frozen=True, slots=True)
class Checked:
    """One precision that was asked for. check: how it ranks; None where it cannot be compared, and refusal says why."""

    asked: Precision
    check: PrecisionCheck | None = None
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Pairs:
    """What is scored: queries with their candidates, by their ids in the collection."""

    collection: Collection
    candidates: dict[str, Sequence[str]]

    @property
    def count(self) -> int:
        """Of pairs."""
        return sum(map(len, self.candidates.values()))


async def check_precisions(
    collection: Collection,
    open_scorer: OpenScorer,
    precisions: Sequence[Precision] = LOWER,
    *,
    measures: Sequence[str],
    command: str,
    at: str,
    most_queries: int | None = None,
    watch: Callable[[Precision, int, int], object] = lambda precision, done, of: None,  # noqa: ARG005
) -> list[Checked]:
    """Compare each precision with exact, one model loaded at a time.

    open_scorer: gives the model in a precision, or raises UserError where this machine lacks it: that one is then
    refused and the others go on. measures: names; what changes in them is told where the collection is judged. at: UTC,
    ISO 8601. watch: told the precision that is computed, and pairs that are done, of how many. Raises UserError where
    there is nothing to compare, or exact itself cannot be had.
    """
    named = [measure(name) for name in measures]
    pairs = draw_pairs(collection, most_queries)

    async def scored(precision: Precision, other_than: str = "") -> tuple[ScorerFacts, Scores]:
        async with open_scorer(precision) as scorer:
            facts = scorer.facts
            if facts.precision == other_than:
                raise UserError(f"{precision} computes in {other_than} here, as exact does")
            return facts, await _scored(pairs, scorer, lambda done, of: watch(precision, done, of))

    exact_facts, exact = await scored("exact")
    found = []
    for precision in precisions:
        try:
            facts, scores = await scored(precision, exact_facts.precision)
        except UserError as error:
            found.append(Checked(precision, refusal=str(error)))
        else:
            check = compared(pairs, exact, scores, facts=facts, measures=named, command=command, at=at)
            found.append(Checked(precision, check))
    return found


def draw_pairs(collection: Collection, most_queries: int | None = None) -> Pairs:
    """Every query with its candidates, where it has two or more; of queries without any a sample of both.

    That has all documents that somebody judged for the query, as far as there is room, and others. most_queries: where
    there are more, some are drawn. Raises UserError where no query has two documents to put into an order.
    """
    chance = random.Random(SEED)
    queries = [query for query, text in collection.queries.items() if text.strip()]
    given = collection.candidates
    if given is None:
        documents, most_queries = list(collection.documents), min(most_queries or SAMPLED_QUERIES, SAMPLED_QUERIES)
    else:
        queries = [query for query in queries if len(given.get(query, ())) >= FEWEST]
    if most_queries is not None and len(queries) > most_queries:
        chosen = set(chance.sample(range(len(queries)), most_queries))
        queries = [query for place, query in enumerate(queries) if place in chosen]
    if given is not None:
        candidates = {query: given[query] for query in queries}
    elif len(documents) >= FEWEST:
        candidates = {query: _some_documents(collection, query, documents, chance) for query in queries}
    else:
        candidates = {}
    for query, found in candidates.items():
        if lost := next((each for each in found if each not in collection.documents), None):
            raise UserError(f"{collection.name}: query {shown(query)}: its candidate {shown(lost)} is no document")
    if not candidates:
        raise UserError(f"{collection.name}: no query has {FEWEST} documents or more to rank, so no order to compare")
    return Pairs(collection, candidates)


def _some_documents(collection: Collection, query: str, documents: list[str], chance: random.Random) -> Sequence[str]:
    judged = [each for each in collection.judgements.get(query, {}) if each in collection.documents]
    drawn = chance.sample(documents, min(SAMPLED_DOCUMENTS, len(documents)))
    return list(dict.fromkeys([*judged, *drawn]))[:SAMPLED_DOCUMENTS]


def compared(
    pairs: Pairs,
    exact: Scores,
    scores: Scores,
    *,
    facts: ScorerFacts,
    measures: Sequence[Measure],
    command: str,
    at: str,
) -> PrecisionCheck:
    """How far scores rank as exact ones do. facts: of who gave the scores. Raises UserError where none can be kept."""
    try:
        return PrecisionCheck(
            precision=facts.precision,
            dataset=pairs.collection.name,
            queries=len(pairs.candidates),
            pairs=pairs.count,
            rank_correlation=kept(rank_correlation(scores, exact)),
            top_1=kept(top_agreement(scores, exact, 1)),
            top_10=kept(top_agreement(scores, exact, 10)),
            largest_difference=kept(
                max(float(np.abs(one - other).max()) for one, other in zip(scores, exact, strict=True))
            ),
            changes=_changes(pairs, exact, scores, measures),
            machine=facts.machine,
            command=command,
            at=datetime.fromisoformat(at),
        )
    except ValueError as error:
        raise UserError(f"{pairs.collection.name}: cannot be kept: {error}") from None


def _changes(pairs: Pairs, exact: Scores, scores: Scores, measures: Sequence[Measure]) -> dict[str, Interval]:
    judged = {query: pairs.collection.judgements.get(query, {}) for query in pairs.candidates}
    first, second = (values(_run(pairs, rows), judged, measures) for rows in (exact, scores))
    found = {}
    for name, of_queries in first.items():
        if of_queries:
            change = difference(of_queries, second[name])
            found[name] = Interval(change.mean, change.low, change.high).rounded()
    return found


def _run(pairs: Pairs, scores: Scores) -> Run:
    return {
        query: dict(zip(documents, row.tolist(), strict=True))
        for (query, documents), row in zip(pairs.candidates.items(), scores, strict=True)
    }


async def _scored(pairs: Pairs, scorer: Scorer, watch: Callable[[int, int], object]) -> Scores:
    """The scores of all pairs. Raises UserError where one cannot be had."""
    rows: dict[str, NDArray[np.float64]] = {}
    done = 0

    async def ask(query: str) -> None:
        nonlocal done
        texts = [pairs.collection.documents[each] for each in pairs.candidates[query]]
        answer = await scorer.score(pairs.collection.queries[query], texts)
        row = np.asarray(answer.scores, np.float64)
        if not np.isfinite(row).all():
            raise UserError(f"query {shown(query)}: {scorer.facts.precision} gives a score that is not finite")
        rows[query] = row
        done += len(texts)
        watch(done, pairs.count)

    await for_each(pairs.candidates, ask, at_once=AT_ONCE)
    return [rows[query] for query in pairs.candidates]
