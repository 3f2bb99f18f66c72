import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from serve_app.evaluation.agreement import mean_reciprocal_rank, rank_correlation, top, top_agreement

EXACT = np.array([[0.9, 0.8, 0.7, 0.1], [0.1, 0.2, 0.3, 0.4]], dtype=np.float32)


def test_the_top_is_best_first_and_ties_go_by_index() -> None:
    assert top(np.array([0.2, 0.9, 0.9, 0.1]), 3).tolist() == [1, 2, 0]


def test_agreement_is_the_mean_share_of_the_top_that_both_have() -> None:
    # First row: {0, 2} of {0, 1}; second: the same two in another order.
    other = np.array([[0.9, 0.1, 0.8, 0.0], [0.1, 0.2, 0.4, 0.3]], dtype=np.float32)
    assert top_agreement(other, EXACT, 2) == pytest.approx((0.5 + 1) / 2)
    assert top_agreement(EXACT * 2 + 1, EXACT, 2) == 1


def test_a_short_row_agrees_in_the_places_that_it_has() -> None:
    rows = [np.array([0.1, 0.2]), np.array([0.3])]
    assert top_agreement(rows, [-row for row in rows], 10) == 1
    assert top_agreement(rows, [-row for row in rows], 1) == 0.5


def test_the_reciprocal_rank_is_nothing_below_the_top() -> None:
    assert mean_reciprocal_rank(EXACT, [1, 3], 2) == pytest.approx((1 / 2 + 1) / 2)
    assert mean_reciprocal_rank(EXACT, [3, 0], 2) == 0


def test_rank_correlation_is_one_for_the_same_order_and_minus_one_for_its_reverse() -> None:
    assert rank_correlation(EXACT * 2 + 1, EXACT) == pytest.approx(1)
    assert rank_correlation(-EXACT, EXACT) == pytest.approx(-1)
    assert rank_correlation(np.stack([EXACT[0], -EXACT[1]]), EXACT) == pytest.approx(0)


GRADES = st.lists(st.integers(0, 4), min_size=2, max_size=12)


@given(st.data())
def test_rank_correlation_is_spearmans_with_ties(data: st.DataObject) -> None:
    one = np.array(data.draw(GRADES), np.float32)
    other = np.array(data.draw(st.lists(st.integers(0, 4), min_size=one.size, max_size=one.size)), np.float32)
    found = rank_correlation([one], [other])
    if one.std() and other.std():
        assert found == pytest.approx(spearmanr(one, other).statistic)
    else:
        assert found == (1 if not one.std() and not other.std() else 0)
