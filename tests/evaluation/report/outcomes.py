"""Outcomes of evaluations that were never made, for the report to tell of."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from serve_app.evaluation.collection import Collection
from serve_app.evaluation.outcome import Depth, Difference, Figure, Outcome, QueryOutcome
from serve_app.evaluation.scorer import ScorerFacts

MEASURE = "MRR@10"
CANDIDATES = 12
RAISED = Difference(0.1, 0.05, 0.15, 0.0004, 20, 5)
LOWERED = Difference(-0.1, -0.15, -0.05, 0.0004, 5, 20)
NO_MATTER = Difference(0.01, -0.03, 0.05, 0.61, 12, 11)


def an_outcome(
    moves: Sequence[tuple[int, int]] = ((4, 1), (1, 3), (2, 2)),
    *,
    change: Difference = RAISED,
    depths: Mapping[int, tuple[float, Difference, Difference]] | None = None,
    judged: bool = True,
    first_stage: str = "BM25",
    texts: Sequence[str] = (),
    price: float | None = 0.008,
) -> Outcome:
    """An outcome of queries with 12 candidates each, of which one is relevant.

    moves: of each query, the relevant document's place before and after. depths: of each k the mean, the gain and how
    far behind the best. texts: of the first documents, in the place of harmless ones.
    """
    documents = {f"d{place}": f"The text of document {place}." for place in range(1, CANDIDATES + 1)}
    documents |= {f"d{place}": text for place, text in enumerate(texts, 1)}
    queries = [_query(f"q{number}", *move, judged=judged) for number, move in enumerate(moves, 1)]
    grades = {f"q{number}": {"d12": 0, f"d{before}": 1} for number, (before, _) in enumerate(moves, 1)}
    texts_of = {query.id: f"What is asked with {query.id}?" for query in queries}
    candidates = {query.id: query.before for query in queries}
    judged = judged and bool(moves)
    has_change = judged and bool(first_stage)
    better, worse = sum(after < before for before, after in moves), sum(after > before for before, after in moves)
    change = replace(change, better=better, worse=worse)
    return Outcome(
        Collection("my data", texts_of, documents, grades if judged else {}, candidates, first_stage),
        ScorerFacts("org/model", "exact", "a machine of 2 cores", "f", usd_per_1k_documents="0.008" if price else None),
        k=CANDIDATES,
        command="rayrank eval --first bm25 queries.csv documents",
        at="2025-11-26T09:00:00Z",
        measures=[MEASURE],
        before={MEASURE: Figure(0.5, 0.4, 0.6)} if has_change else {},
        after={MEASURE: Figure(0.5 + change.mean, 0.45, 0.7)} if judged else {},
        change={MEASURE: change} if has_change else {},
        queries=queries,
        depths=[_depth(k, *found, judged=judged, price=price) for k, found in (depths or {}).items()],
        remarks=["documents.csv, line 7: no text; set aside: 1"],
        seconds=12.5,
        documents=CANDIDATES * len(queries),
        tokens=4_000,
        nano_dollars=8_000 * CANDIDATES * len(queries) if price else 0,
    )


def _query(identifier: str, before: int, after: int, *, judged: bool) -> QueryOutcome:
    order = [f"d{place}" for place in range(1, CANDIDATES + 1)]
    moved = [document for document in order if document != f"d{before}"]
    moved.insert(after - 1, f"d{before}")
    values = ({MEASURE: 1 / before}, {MEASURE: 1 / after}) if judged else ({}, {})
    return QueryOutcome(identifier, order, moved, *values, {each: 5.0 - place for place, each in enumerate(moved)})


def _depth(k: int, mean: float, gain: Difference, behind: Difference, *, judged: bool, price: float | None) -> Depth:
    figures = {MEASURE: Figure(mean, max(mean - 0.1, 0), mean + 0.1)} if judged else {}
    usd = None if price is None else k * price
    differences = ({MEASURE: gain}, {MEASURE: behind}) if judged else ({}, {})
    return Depth(k, figures, 0.004 * k, 0.006 * k, 20, usd, 0.4, *differences)
