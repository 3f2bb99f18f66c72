"""What the report reads off the orders before and after."""

from collections.abc import Mapping, Sequence

from serve_app.evaluation.depths import FIRST_PLACES, moved
from serve_app.evaluation.outcome import Outcome, QueryOutcome


def lead(outcome: Outcome) -> str:
    """The measure that leads, or ""."""
    return outcome.measures[0] if outcome.measures else ""


def judged(outcome: Outcome) -> list[QueryOutcome]:
    """The queries that the figures are of and that have candidates."""
    return [query for query in outcome.queries if lead(outcome) in query.after_values]


def counted(outcome: Outcome, measure: str) -> int:
    """The queries that a measure's figures are of: those without candidates, too, which count 0."""
    return sum(measure in query.after_values for query in outcome.queries) + _without_candidates(outcome)


def _without_candidates(outcome: Outcome) -> int:
    """Queries with a relevant document that were not ranked."""
    ranked = {query.id for query in outcome.queries}
    return sum(query not in ranked for query in outcome.collection.answerable)


def gain(query: QueryOutcome, measure: str) -> float:
    """How far reranking raised a measure. The query has it before and after."""
    return query.after_values[measure] - query.before_values[measure]


def mean_moved(outcome: Outcome) -> float:
    """Mean share of the first ten places that hold another document than before, over the queries with candidates."""
    shares = [moved(query.before, query.after) for query in outcome.queries if query.after]
    return sum(shares) / len(shares) if shares else 0.0


def unjudged_share(outcome: Outcome, *, after: bool) -> float:
    """Share of the first ten places on which nobody has judged the document; 0 where all candidates were judged."""
    if outcome.collection.fully_judged:
        return 0.0
    places = unjudged = 0
    for query in judged(outcome):
        grades = outcome.collection.judgements.get(query.id, {})
        first = (query.after if after else query.before)[:FIRST_PLACES]
        places, unjudged = places + len(first), unjudged + sum(document not in grades for document in first)
    return unjudged / places if places else 0.0


def out_of_reach(outcome: Outcome) -> int:
    """Queries of which no relevant document is among the first k: a reranker cannot help them."""
    return sum(
        not relevant_places(query.before[: outcome.k], outcome.collection.judgements.get(query.id, {}))
        for query in judged(outcome)
    ) + _without_candidates(outcome)


def relevant_places(order: Sequence[str], grades: Mapping[str, int]) -> list[int]:
    """The places of relevant documents, from 1."""
    return [place for place, document in enumerate(order, 1) if grades.get(document, 0) > 0]
