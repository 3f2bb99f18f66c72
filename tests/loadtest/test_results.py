from dataclasses import replace

import pytest

from loadtest.bench.engine.contenders import PRODUCTS, Contender
from loadtest.bench.engine.goals import GOALS, Outcome, outcomes
from loadtest.bench.engine.race import Timing
from loadtest.bench.engine.results import Result, paired_ratio, results, table

REFERENCE = Timing(Contender("peer", "peer", exact_peer=True, default_batch=32), 1, [4.0, 8.0], 40.0, "answer")
RIVAL = Timing(Contender("rival", "rival"), 2, [1.0, 3.0], None, "answer")
OURS = Timing(Contender("ours", "ours", swept=False, rival="rival"), None, [0.5, 1.0], None, "answer")
BARE = Timing(PRODUCTS, None, [0.1, 0.1], None, None)


def judged(timings: list[Timing]) -> dict[str, Result]:
    found = results("mixed", 10, timings, lambda timing, all_of_them: {"delta": 0.0})
    return {result.contender: result for result in found}


def test_a_ratio_pairs_the_rounds() -> None:
    # A machine that is half as fast in the second round changes nothing.
    assert paired_ratio([2.0, 4.0, 3.0], [1.0, 2.0, 1.0]) == 2


def test_ratios_are_to_the_best_exact_peer_the_rival_and_the_default() -> None:
    found = judged([REFERENCE, RIVAL, OURS, BARE])
    assert list(found) == ["peer, default", "peer", "rival", "ours"]
    ours = found["ours"]
    assert ours.documents_per_s == pytest.approx(10 / 0.75)
    assert ours.to_best_exact_peer == pytest.approx(8)
    assert ours.to_rival == pytest.approx((2 + 3) / 2)
    assert ours.to_default == pytest.approx(40 / 0.75)
    assert found["peer"].to_rival is None
    assert found["peer, default"].batch == 32
    assert found["peer, default"].to_default == 1


def test_a_rival_that_does_not_run_leaves_no_ratio() -> None:
    assert judged([REFERENCE, OURS])["ours"].to_rival is None


def test_a_table_has_a_row_for_each_result() -> None:
    assert table("mixed", list(judged([REFERENCE, RIVAL, OURS]).values())).row_count == 4


def test_a_goal_is_met_missed_or_not_measured() -> None:
    goal = GOALS[0]
    assert Outcome(goal, goal.at_least).verdict == "met"
    assert Outcome(goal, goal.at_least - 0.001).verdict == "missed"
    assert Outcome(goal, None).verdict == "not measured"


def test_goals_are_of_the_sets_that_ran_and_read_fields_and_figures() -> None:
    exact = replace(
        judged([REFERENCE])["peer"],
        contender="rayrank exact",
        to_best_exact_peer=1.3,
        figures={"share_of_product_rate": 0.9},
    )
    said = [str(outcome) for outcome in outcomes([exact])]
    assert said[:2] == [
        "met: rayrank exact on mixed, 1.300 times the best exact peer, goal 1.20",
        "missed: rayrank exact on mixed, 0.900 of the product rate, goal 0.94",
    ]
    assert all(line.startswith("not measured: rayrank") for line in said[2:])
    assert not any("embedded" in line for line in said)
