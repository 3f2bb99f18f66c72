from dataclasses import replace

from serve_app.evaluation.collection import Collection
from serve_app.evaluation.outcome import Outcome, QueryOutcome
from serve_app.evaluation.scorer import ScorerFacts
from serve_app.evaluation.worst import worst


def query(name: str, after: list[str], before: float | None, value: float | None) -> QueryOutcome:
    return QueryOutcome(
        name,
        before=after,
        after=after,
        before_values={} if before is None else {"MAP": before, "P@1": 1.0},
        after_values={} if value is None else {"MAP": value, "P@1": 0.0},
        scores={},
    )


def outcome(*queries: QueryOutcome) -> Outcome:
    judgements = {one.id: {"right": 1, "wrong": 0} for one in queries if one.after_values}
    return Outcome(
        collection=Collection("c", {}, {}, judgements),
        scorer=ScorerFacts("m", "exact", "here", "1"),
        k=3,
        command="",
        at="",
        measures=["MAP", "P@1"],
        before={},
        after={},
        change={},
        queries=queries,
        depths=[],
        remarks=[],
        seconds=0,
        documents=0,
        tokens=0,
        nano_dollars=0,
    )


MIXED = outcome(
    query("perfect", ["right", "wrong"], before=0.5, value=1.0),
    query("second", ["wrong", "right", "x"], before=1.0, value=0.5),
    query("lost", ["wrong", "x"], before=0.25, value=0.0),
    query("gained", ["x", "wrong", "right"], before=0.0, value=1 / 3),
    query("unjudged", ["right"], before=None, value=None),
)


def test_the_worst_queries_come_with_what_was_above_the_right_answer() -> None:
    found = [(one.query.id, one.best, one.above) for one in worst(MIXED, 10)]
    assert found == [
        ("lost", None, ["wrong", "x"]),
        ("gained", "right", ["x", "wrong"]),
        ("second", "right", ["wrong"]),
    ]
    assert [one.query.id for one in worst(MIXED, 1)] == ["lost"]


def test_a_query_that_the_leading_measure_does_not_count_is_not_among_the_worst() -> None:
    only_positives = replace(MIXED, measures=["C-MTEB MAP", "MAP"])
    assert worst(only_positives, 10) == []
