from serve_app.evaluation.collection import Collection
from serve_app.evaluation.outcome import Outcome, QueryOutcome
from serve_app.evaluation.scorer import ScorerFacts
from serve_app.evaluation.worst import lost_most, worst


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


def test_those_that_reranking_hurt_come_by_their_loss() -> None:
    assert [one.query.id for one in lost_most(MIXED, 10)] == ["second", "lost"]


def test_without_an_order_before_nothing_was_lost() -> None:
    assert lost_most(outcome(query("only", ["wrong", "right"], before=None, value=0.5)), 5) == []
