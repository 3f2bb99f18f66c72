"""Where a ranking failed: the queries to look at, with what stood above the right answer."""

from collections.abc import Sequence
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
    measure = outcome.measures[0]
    judged = [(value, query) for query in outcome.queries if (value := query.after_values.get(measure)) is not None]
    failed = sorted((each for each in judged if each[0] < PERFECT), key=lambda each: each[0])
    return [_failure(outcome, query) for _, query in failed[:count]]


def _failure(outcome: Outcome, query: QueryOutcome) -> Failure:
    grades = outcome.collection.judgements.get(query.id, {})
    for place, document in enumerate(query.after):
        if grades.get(document, 0) > 0:
            return Failure(query, document, query.after[:place])
    return Failure(query, None, query.after)
