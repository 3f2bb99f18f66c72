"""The sentences say what the figures show, and no more."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.evaluation.outcome import Difference
from serve_app.evaluation.report import figures
from serve_app.evaluation.report.orders import out_of_reach
from serve_app.evaluation.report.plots import latency
from serve_app.evaluation.report.tables import depths, measures
from serve_app.evaluation.report.verdict import advice, cautions, headline, paying
from tests.evaluation.report.outcomes import LOWERED, MEASURE, NO_MATTER, RAISED, an_outcome

MANY = [(4, 1), (1, 3), (2, 2)] * 20
BEST = Difference(0.0, 0.0, 0.0, 1.0, 0, 0)


def test_a_gain_beyond_chance_is_one() -> None:
    found = headline(an_outcome(MANY, change=RAISED))
    assert found.text == (
        "Reranking the first 12 documents raises MRR@10 from 0.500 to 0.600 "
        "(+0.100, 95 % interval +0.050 to +0.150, p < 0.001)."
    )
    assert found.tone == "good"


def test_a_loss_is_said_as_plainly() -> None:
    found = headline(an_outcome(MANY, change=LOWERED))
    assert found.text.startswith("Reranking the first 12 documents lowers MRR@10 from 0.500 to 0.400 (−0.100, ")
    assert found.tone == "bad"


@pytest.mark.parametrize(
    "change",
    [
        NO_MATTER,
        replace(RAISED, p_value=0.06),  # the test does not agree with the interval
        replace(RAISED, low=-0.001),  # nor the interval with the test
        replace(LOWERED, high=0.0),
        replace(RAISED, p_value=math.nan),
    ],
)
def test_what_may_be_chance_is_no_difference(change: Difference) -> None:
    found = headline(an_outcome(MANY, change=change))
    assert "makes no difference to MRR@10 that these 60 queries show" in found.text
    assert found.tone == "neutral"


def test_one_query_tells_nothing() -> None:
    found = headline(an_outcome([(4, 1)], change=Difference(0.75, -1, 1, 1.0, 1, 0)))
    assert found.text.startswith("One query cannot tell whether reranking the first 12 documents helps")


def test_without_judgements_a_change_is_no_gain() -> None:
    found = headline(an_outcome([(4, 1), (1, 1)], judged=False))
    assert "puts another document on 20 % of the first ten places" in found.text  # 4 of 10, and none
    assert "nobody can say" in found.text
    assert "nothing can be said" in headline(an_outcome(judged=False, first_stage="")).text
    assert headline(an_outcome([])).text == "No query was ranked, so nothing is known."


def test_candidates_in_no_order_are_compared_with_nothing() -> None:
    assert "there is nothing to compare it with" in headline(an_outcome(MANY, first_stage="")).text


def test_the_smallest_depth_that_keeps_up_with_the_best_pays() -> None:
    by_depth = {10: (0.55, RAISED, LOWERED), 20: (0.59, RAISED, NO_MATTER), 50: (0.60, RAISED, BEST)}
    outcome = an_outcome(MANY, depths=by_depth)
    pays, found = paying(outcome), advice(outcome)
    assert pays
    assert found
    assert pays.k == 20
    assert found.text.startswith("The depth that pays is 20: MRR@10 0.590 at 80 ms a query and $0.16 for 1,000 queries")
    assert "the highest is 0.600 at 50" in found.text


def test_a_depth_that_raises_nothing_does_not_pay_though_it_is_near_the_best() -> None:
    by_depth = {10: (0.52, NO_MATTER, NO_MATTER), 50: (0.60, RAISED, BEST)}
    outcome = an_outcome(MANY, depths=by_depth)
    pays = paying(outcome)
    assert pays
    assert pays.k == 50


@pytest.mark.parametrize("gain", [NO_MATTER, LOWERED])
def test_where_no_depth_raises_anything_none_pays(gain: Difference) -> None:
    outcome = an_outcome(MANY, change=gain, depths={10: (0.5, gain, NO_MATTER), 50: (0.51, gain, BEST)})
    found = advice(outcome)
    assert found
    assert found.text.startswith("No depth raises MRR@10 beyond chance")
    assert paying(outcome) is None


def test_depths_that_were_not_compared_are_not_recommended() -> None:
    outcome = an_outcome(MANY, depths={10: (0.5, RAISED, BEST), 50: (0.6, RAISED, BEST)})
    outcome = replace(outcome, depths=[replace(depth, gain={}, behind={}) for depth in outcome.depths])
    found = advice(outcome)
    assert found
    assert found.text == f"{MEASURE} is highest at 50; whether by more than chance was not tested."
    assert advice(an_outcome(MANY, depths={10: (0.5, RAISED, BEST)})) is None


def test_few_queries_and_those_that_do_not_count_are_said() -> None:
    outcome = an_outcome([(4, 1)] * 3)
    queries = [*outcome.queries[:2], replace(outcome.queries[2], before_values={}, after_values={})]
    few, rough = cautions(replace(outcome, queries=queries))
    assert few == "1 query without a relevant document count in no figure."
    assert rough.startswith("With 2 queries the intervals are rough")
    assert cautions(an_outcome(MANY)) == []


@given(st.floats(-1, 1, allow_nan=False), st.floats(0, 1), st.floats(0, 1))
def test_no_figure_is_written_as_0_that_is_not(mean: float, below: float, above: float) -> None:
    found = Difference(mean, mean - below, mean + above, 0.01, 1, 1)
    for value, text in ((found.mean, figures.change(found)), (found.low, figures.change_interval(found).split(" ")[0])):
        if abs(value) > 1e-6:
            assert text[0] == ("−" if value < 0 else "+")
            assert abs(abs(float(text[1:])) - abs(value)) <= 0.000_501


def test_a_query_without_candidates_counts_as_in_the_figures() -> None:
    outcome = an_outcome(MANY, change=NO_MATTER)
    fewer = replace(outcome, queries=outcome.queries[1:])
    assert "these 60 queries show" in headline(fewer).text
    assert out_of_reach(fewer) == out_of_reach(outcome) + 1
    row = measures(fewer).rows[0]
    assert [cell.text for cell in row[-3:]] == ["20", "20", "20"]


def test_a_depth_that_was_not_timed_has_no_time() -> None:
    outcome = an_outcome(MANY, depths={10: (0.55, RAISED, BEST), 20: (0.55, RAISED, NO_MATTER)}, price=None)
    outcome = replace(outcome, depths=[replace(depth, timed=0, seconds=0.0) for depth in outcome.depths])
    found = advice(outcome)
    assert found
    assert found.text.startswith("The depth that pays is 10: MRR@10 0.550; ")
    assert latency(outcome) is None
    assert list(depths(outcome).heading) == ["depth", "MRR@10", "change", "moved"]
