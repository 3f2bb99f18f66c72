"""The queries that a reader is shown are those that tell most."""

from collections import Counter
from dataclasses import replace

import pytest

from serve_app.evaluation.report.cases import ABOVE, SHOWN, helped, hurt, unjudged, worst
from serve_app.evaluation.report.orders import mean_moved, out_of_reach, unjudged_share
from serve_app.evaluation.report.plots import changes, moves_of
from tests.evaluation.report.outcomes import an_outcome

MOVES = [(4, 1), (1, 4), (2, 2), (1, 12), (12, 1), (3, 1), (1, 2), (1, 3), (5, 1), (6, 1), (7, 1)]


def test_those_that_gained_and_lost_most_come_first() -> None:
    outcome = an_outcome(MOVES)
    assert [case.id for case in helped(outcome)] == ["q5", "q11", "q10", "q9", "q1"]
    assert [case.id for case in hurt(outcome)] == ["q4", "q2", "q8", "q7"]  # and none that did not lose
    (first, *_) = helped(outcome)
    assert first.note == "MRR@10 0.083 → 1.000 (+0.917); relevant at 12 before, at 1 after"
    assert [row.id for row in first.before] == ["d1", "d2", "d3", "d4", "d5"]
    assert [(row.id, row.moved, row.grade) for row in first.after][:2] == [("d12", 11, 1), ("d1", -1, None)]


def test_what_stands_above_the_right_answer_is_shown_with_it() -> None:
    outcome = an_outcome([(1, 9), (2, 2), (5, 1)])
    first, second = worst(outcome)
    assert [row.place for row in first.after] == [*range(1, ABOVE + 1), 9]
    assert [(row.id, row.grade) for row in first.after][-1] == ("d1", 1)
    assert "at place 9" in first.note
    assert [row.place for row in second.after] == [1, 2]


def test_an_answer_that_was_not_reranked_is_the_first_stages_fault() -> None:
    outcome = replace(an_outcome([(8, 8), (2, 3)]), k=5)
    queries = [replace(query, scores=dict.fromkeys(query.before[:5], 1.0)) for query in outcome.queries]
    outcome = replace(outcome, queries=queries)
    assert [case.id for case in worst(outcome)] == ["q2"]
    assert out_of_reach(outcome) == 1


def test_a_candidate_of_fully_judged_data_is_relevant_or_not() -> None:
    outcome = an_outcome([(4, 1)])
    assert unjudged_share(outcome, after=True) == 0.9
    known = replace(outcome, collection=replace(outcome.collection, fully_judged=True))
    assert unjudged_share(known, after=True) == 0
    assert [row.grade for row in helped(known)[0].after] == [1, 0, 0, 0, 0]


def test_without_judgements_those_whose_first_places_moved_most_are_shown() -> None:
    outcome = an_outcome([(2, 1), (1, 1), (10, 1)], judged=False)
    assert [case.id for case in unjudged(outcome)] == ["q3", "q1"]
    assert mean_moved(outcome) == pytest.approx((0.2 + 0 + 1) / 3)
    chart = moves_of(outcome.queries[2], "q3")
    assert chart.rows[0] == ("document 10", "10", "1")


def test_every_query_is_in_one_bar_and_on_its_side() -> None:
    chart = changes(an_outcome(MOVES))
    counts = Counter[str]()
    for _, *values in chart.rows:
        counts.update({part: int(value) for part, value in zip(chart.series, values, strict=True)})
    assert counts == {"better": 6, "worse": 4, "the same": 1}
    assert ("more than +0.90, up to +1.00", "1", "0", "0") in chart.rows
    assert all(bar.x > 45 for bar in chart.bars if chart.series[bar.series] == "better")
    assert all(bar.x < 45 for bar in chart.bars if chart.series[bar.series] == "worse")


@pytest.mark.parametrize("moves", [[], [(1, 1)], [(12, 12)] * 3])
def test_nothing_that_changed_is_no_fault(moves: list[tuple[int, int]]) -> None:
    outcome = an_outcome(moves)
    assert helped(outcome) == hurt(outcome) == []
    assert len(worst(outcome)) <= SHOWN
    assert len(changes(outcome).bars) == bool(moves)
