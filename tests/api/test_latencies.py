"""Percentiles from buckets, beside those of the numbers themselves."""

import math

from hypothesis import given
from hypothesis import strategies as st

from serve_app.api.latencies import LEAST_S, MOST_S, Latencies

seconds = st.floats(math.log(LEAST_S), math.log(MOST_S)).map(math.exp)
SHARES = (0.01, 0.5, 0.95, 0.99, 1.0)


def counted(taken: list[float]) -> Latencies:
    latencies = Latencies()
    for each in taken:
        latencies.add(each)
    return latencies


@given(st.lists(seconds, min_size=1, max_size=300), st.integers(0, 300))
def test_percentiles_are_true_to_5_percent_also_when_counts_are_put_together(taken: list[float], cut: int) -> None:
    whole = Latencies()
    whole.take([counted(taken[:cut]), counted(taken[cut:])])
    for share, found in zip(SHARES, whole.percentiles(*SHARES), strict=True):
        exact = sorted(taken)[math.ceil(share * len(taken)) - 1]
        assert found is not None
        assert abs(found / exact - 1) < 0.05


def test_what_took_no_time_or_for_ever_is_counted_and_nothing_has_no_percentile() -> None:
    assert Latencies().percentiles(0.5, 0.99) == [None, None]
    least, most = counted([0.0, -1.0, 1e9]).percentiles(0.5, 1.0)
    assert least is not None
    assert most is not None
    assert least <= LEAST_S * 1.1
    assert most >= MOST_S / 1.1
