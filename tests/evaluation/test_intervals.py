import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap

from serve_app.domain.errors import UserError
from serve_app.evaluation.intervals import mean_with_interval
from serve_app.evaluation.outcome import Figure

CHANCE = np.random.default_rng(5)


@pytest.mark.parametrize("values", [CHANCE.random(40), 1 / CHANCE.integers(1, 11, 225), CHANCE.random(3000) ** 4])
def test_the_interval_is_scipys(values: np.ndarray) -> None:
    theirs = bootstrap((values,), np.mean, n_resamples=10_000, batch=300, method="percentile", rng=1)
    low, high = theirs.confidence_interval
    own = mean_with_interval(values.tolist())
    assert own.mean == pytest.approx(values.mean())
    # Two draws of 10,000 resamples: a bound is off by a few hundredths of the width.
    assert (own.low, own.high) == pytest.approx((low, high), abs=0.04 * (high - low))


@settings(max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=60))
def test_the_mean_lies_in_its_interval_and_that_among_the_values(values: list[float]) -> None:
    own = mean_with_interval(values)
    rounding = 1e-12
    assert min(values) - rounding <= own.low <= own.mean + rounding
    assert own.mean - rounding <= own.high <= max(values) + rounding
    assert own == mean_with_interval(values)


def test_one_query_says_nothing_of_others() -> None:
    assert mean_with_interval([0.7]) == Figure(0.7, 0.0, 1.0)


def test_no_query_has_no_mean() -> None:
    with pytest.raises(UserError, match="none of them has a value"):
        mean_with_interval([])
