"""Single queries that show what reranking does."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from serve_app.evaluation.depths import moved
from serve_app.evaluation.excerpt import excerpt
from serve_app.evaluation.outcome import Outcome, QueryOutcome
from serve_app.evaluation.report.figures import percent, plain, signed
from serve_app.evaluation.report.orders import gain, judged, lead, relevant_places
from serve_app.evaluation.report.plots import SMALLEST
from serve_app.web.formats import number

SHOWN = 5  # queries of a kind, and documents of a query
ABOVE = 3  # documents that stood above the right one
QUERY_CHARACTERS, TEXT_CHARACTERS, ID_CHARACTERS = 300, 320, 80
MOST_PLACES = 5  # places that are listed


@dataclass(frozen=True, slots=True)
class Row:
    """A document in its place. index: its place before, from 0. grade: None where nobody judged it."""

    place: int
    index: int
    id: str
    text: str
    grade: int | None
    score: str
    now: int  # its place after

    @property
    def moved(self) -> int:
        """By how many places it went up."""
        return self.index + 1 - self.place


@dataclass(frozen=True, slots=True)
class Case:
    """A query with the documents that tell most of it. note: what is to be seen, in a line."""

    id: str
    query: str
    note: str
    before: Sequence[Row]
    after: Sequence[Row]


def helped(outcome: Outcome) -> list[Case]:
    """The queries that gained most."""
    return _changed(outcome, 1)


def hurt(outcome: Outcome) -> list[Case]:
    """The queries that lost most."""
    return _changed(outcome, -1)


def _changed(outcome: Outcome, sign: int) -> list[Case]:
    measure = lead(outcome)
    found = [query for query in judged(outcome) if measure in query.before_values]
    found = [query for query in found if sign * gain(query, measure) > SMALLEST]
    found.sort(key=lambda query: -sign * gain(query, measure))
    return [_case(outcome, query, _told(outcome, query)) for query in found[:SHOWN]]


def _told(outcome: Outcome, query: QueryOutcome) -> str:
    measure, grades = lead(outcome), outcome.collection.judgements.get(query.id, {})
    before, after = query.before_values[measure], query.after_values[measure]
    relevant = f"relevant at {_places(query.before, grades)} before, at {_places(query.after, grades)} after"
    return f"{measure} {plain(before)} → {plain(after)} ({signed(after - before)}); {relevant}"


def _places(order: Sequence[str], grades: Mapping[str, int]) -> str:
    found = relevant_places(order, grades)
    more = f" and {len(found) - MOST_PLACES:,} more" if len(found) > MOST_PLACES else ""
    return f"{', '.join(f'{place:,}' for place in found[:MOST_PLACES])}{more}" if found else "no place"


def worst(outcome: Outcome) -> list[Case]:
    """The queries that do worst after reranking though the right document was there: it, and what stands above it."""
    measure, found = lead(outcome), []
    for query in judged(outcome):
        grades = outcome.collection.judgements.get(query.id, {})
        places = relevant_places(query.after, grades)
        if places and places[0] > 1 and query.after[places[0] - 1] in query.scores:
            found.append((query.after_values[measure], -places[0], query))
    found.sort(key=lambda each: each[:2])
    cases = []
    for value, place, query in found[:SHOWN]:
        note = f"{measure} {plain(value)}; the best relevant document stands at place {-place:,}"
        places = [*range(1, min(ABOVE, -place - 1) + 1), -place]
        cases.append(_case(outcome, query, note, after=places))
    return cases


def most_moved(outcome: Outcome) -> list[QueryOutcome]:
    """The queries whose first places changed most."""
    shares = {query.id: moved(query.before, query.after) for query in outcome.queries}
    return sorted((query for query in outcome.queries if shares[query.id]), key=lambda query: -shares[query.id])[:SHOWN]


def unjudged(outcome: Outcome) -> list[Case]:
    """The queries whose first places changed most, of which nobody can say whether they gained."""
    told = "of the first ten places hold another document"
    return [
        _case(outcome, query, f"{percent(moved(query.before, query.after))} {told}") for query in most_moved(outcome)
    ]


def _case(outcome: Outcome, query: QueryOutcome, note: str, after: Iterable[int] = range(1, SHOWN + 1)) -> Case:
    """A query with the first documents before, and those on the places after."""
    documents = outcome.collection.documents
    grades = outcome.collection.judgements.get(query.id, {})
    before_at = {document: place for place, document in enumerate(query.before)}
    after_at = {document: place for place, document in enumerate(query.after, 1)}

    def row(order: Sequence[str], place: int) -> Row:
        document = order[place - 1]
        grade, score = grades.get(document), query.scores.get(document)
        if grade is None and outcome.collection.fully_judged:
            grade = 0
        return Row(
            place,
            before_at[document],
            excerpt(document, ID_CHARACTERS),
            excerpt(documents.get(document, ""), TEXT_CHARACTERS),
            grade,
            "not reranked" if score is None else number(score),
            after_at[document],
        )

    return Case(
        excerpt(query.id, ID_CHARACTERS),
        excerpt(outcome.collection.queries.get(query.id, ""), QUERY_CHARACTERS),
        note,
        [row(query.before, place) for place in range(1, min(SHOWN, len(query.before)) + 1)],
        [row(query.after, place) for place in after if place <= len(query.after)],
    )
