"""How sure a mean over queries is: its 95 % interval."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from serve_app.domain.errors import UserError
from serve_app.evaluation.outcome import Figure

RESAMPLES = 10_000
CONFIDENCE = 0.95
SEED = 20  # any: the same values always have the same interval
DRAWN_AT_ONCE = 1_000_000  # values, 8 MB


def mean_with_interval(values: Collection[float]) -> Figure:
    """The mean of queries' values from 0 to 1, and where it would lie for other queries of the same kind.

    One query says nothing of others: its interval is 0 to 1. Values that are all alike have an interval without width,
    also where there are few of them. Raises UserError where there are none: no query counts, and there is no mean.
    """
    if not values:
        raise UserError("there is no mean over queries: none of them has a value")
    of_queries = np.fromiter(values, np.float64, len(values))
    mean = float(of_queries.mean())
    if of_queries.size == 1:
        return Figure(mean, 0.0, 1.0)
    low, high = bootstrap_interval(of_queries)
    return Figure(mean, low, high)


def bootstrap_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """The bootstrap's 95 % interval of the mean of values, (queries,): the percentiles of 10,000 resamples' means.

    Percentiles and not BCa (Efron 1987), which fails on values that are all alike, as good rankings' are. On values
    like MRR's both held the true mean 94 times in 100 at fifty queries; at ten it was 90, so few queries look surer
    than they are.
    """
    chance = np.random.default_rng(SEED)
    rows = max(1, DRAWN_AT_ONCE // values.size)
    means = [
        values[chance.integers(0, values.size, (min(rows, RESAMPLES - done), values.size), np.int32)].mean(axis=1)
        for done in range(0, RESAMPLES, rows)
    ]
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(np.concatenate(means), [tail, 100 - tail])
    return float(low), float(high)
