"""Where a ranking failed: the queries to look at, with what stood above the right answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from serve_app.evaluation.outcome import Outcome, QueryOutcome

PERFECT = 1 - 1e-9  # sums of gains round


@dataclass(frozen=True, slots=True)
class Failure:
    """A query. best: its relevant document that is ranked highest, None where none was ranked.

    above: the documents ranked above that one, best first; all of them where there is none.
    """

    query: QueryOutcome
    best: str | None
    above: Sequence[str]


def worst(outcome: Outcome, count: int) -> list[Failure]:
    """The judged queries with the lowest value of the leading measure after reranking, the worst first.

    At most count, without those that are perfect; ties in the queries' order. Empty where nobody has judged.
    """
    judged = [query for query in outcome.queries if query.after_values]
    return _lowest(outcome, judged, lambda query: _after(outcome, query), PERFECT, count)


def lost_most(outcome: Outcome, count: int) -> list[Failure]:
    """The queries whose leading measure fell most by reranking, the greatest loss first.

    At most count, only those that lost. Empty where nobody has judged, or the candidates came in no order.
    """
    both = [query for query in outcome.queries if query.after_values and query.before_values]
    return _lowest(outcome, both, lambda query: _after(outcome, query) - _before(outcome, query), 0.0, count)


def _lowest(
    outcome: Outcome, queries: Sequence[QueryOutcome], value: Callable[[QueryOutcome], float], below: float, count: int
) -> list[Failure]:
    lowest = sorted((query for query in queries if value(query) < below), key=value)
    return [_failure(outcome, query) for query in lowest[:count]]


def _failure(outcome: Outcome, query: QueryOutcome) -> Failure:
    grades = outcome.collection.judgements.get(query.id, {})
    for place, document in enumerate(query.after):
        if grades.get(document, 0) > 0:
            return Failure(query, document, query.after[:place])
    return Failure(query, None, query.after)


def _after(outcome: Outcome, query: QueryOutcome) -> float:
    return query.after_values[outcome.measures[0]]


def _before(outcome: Outcome, query: QueryOutcome) -> float:
    return query.before_values[outcome.measures[0]]
