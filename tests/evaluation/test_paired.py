from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import permutation_test

from serve_app.domain.errors import UserError
from serve_app.evaluation.outcome import Difference
from serve_app.evaluation.paired import difference

# Few values, so that many sums are equal; binary fractions, whose sums scipy sees to be so.
value = st.sampled_from([0.0, 0.125, 0.25, 0.5, 1.0])
scipys = partial(permutation_test, statistic=np.sum, permutation_type="samples", vectorized=True)


def compare(pairs: list[tuple[float, float]]) -> Difference:
    first = {str(query): one for query, (one, _) in enumerate(pairs)}
    return difference(first, {str(query): other for query, (_, other) in reversed(list(enumerate(pairs)))})


@settings(max_examples=60)
@given(st.lists(st.tuples(value, value), min_size=2, max_size=13))
def test_of_few_queries_the_p_value_is_exact(pairs: list[tuple[float, float]]) -> None:
    differences = np.array([other - one for one, other in pairs])
    assert compare(pairs).p_value == pytest.approx(scipys((differences,), n_resamples=2**13).pvalue, abs=1e-12)


def test_sums_that_are_equal_on_paper_count_as_equal() -> None:
    assert compare([(0.1, 0.3), (0.5, 0.3), (0.0, 0.1), (0.4, 0.3)]).p_value == 1


@pytest.mark.parametrize("shift", [0.0, 0.01, 0.03])
def test_of_many_queries_the_p_value_is_scipys(shift: float) -> None:
    chance = np.random.default_rng(11)
    first = chance.random(200)
    second = np.clip(first + chance.normal(shift, 0.1, 200), 0, 1)
    theirs = scipys((second - first,), n_resamples=20_000, batch=1000, rng=1).pvalue
    own = compare(list(zip(first, second, strict=True)))
    assert own.p_value == pytest.approx(theirs, abs=0.02)
    assert own.low < own.mean < own.high
    assert own.mean == pytest.approx((second - first).mean())


@settings(max_examples=25)
@given(st.lists(st.tuples(value, value), min_size=2, max_size=20))
def test_the_other_way_round_all_is_reversed(pairs: list[tuple[float, float]]) -> None:
    own, other = compare(pairs), compare([(second, first) for first, second in pairs])
    assert (own.better, own.worse) == (other.worse, other.better)
    assert own.mean == pytest.approx(-other.mean)
    assert (own.low, own.high) == pytest.approx((-other.high, -other.low), abs=0.02)
    assert own.p_value == pytest.approx(other.p_value, abs=0.03)


def test_only_queries_that_both_have_are_compared() -> None:
    own = difference({"a": 0.5, "b": 0.5, "c": 0.0}, {"b": 1.0, "a": 0.25, "d": 1.0})
    assert (own.better, own.worse, own.mean) == (1, 1, 0.125)


def test_rankings_that_are_alike_differ_by_nothing() -> None:
    assert compare([(0.5, 0.5)] * 30) == Difference(0, 0, 0, 1, 0, 0)


def test_one_query_proves_nothing() -> None:
    assert compare([(0.0, 1.0)]) == Difference(1, -1, 1, 1, 1, 0)


def test_rankings_without_a_common_query_are_not_compared() -> None:
    with pytest.raises(UserError, match="no query has a value in both"):
        difference({"a": 1.0}, {"b": 1.0})
