"""Whether one ranking is better than another: the same queries, compared in pairs."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from serve_app.domain.errors import UserError
from serve_app.evaluation.intervals import DRAWN_AT_ONCE, RESAMPLES, SEED, bootstrap_interval
from serve_app.evaluation.outcome import Difference

ROUNDING = 1e-12  # of the sum of all: sums that are equal on paper differ by less


def difference(first: Mapping[str, float], second: Mapping[str, float]) -> Difference:
    """How far the second values are from the first ones, over the queries that both have; values from 0 to 1 by query.

    The p-value is of Fisher's randomisation test: how often a mean difference at least as large, up or down, comes
    about where it is chance which of the two rankings a query's values are from. It assumes no distribution, and agrees
    with the bootstrap and the t-test where Wilcoxon's and the sign test do not (Smucker, Allan and Carterette, CIKM
    2007). It is exact up to 13 queries that differ, and from 9,999 permutations beyond, so never below 0.0001.

    One query alone has the interval −1 to 1. Raises UserError where no query has both values.
    """
    common = [query for query in first if query in second]
    if not common:
        raise UserError("two rankings cannot be compared: no query has a value in both")
    differences = np.array([second[query] - first[query] for query in common])
    low, high = bootstrap_interval(differences) if differences.size > 1 else (-1.0, 1.0)
    return Difference(
        mean=float(differences.mean()),
        low=low,
        high=high,
        p_value=_p_value(differences[differences != 0]),
        better=int((differences > 0).sum()),
        worse=int((differences < 0).sum()),
    )


def _p_value(differences: NDArray[np.float64]) -> float:
    """Two-sided, of differences that are not 0: those that are 0 change no permutation's sum.

    As `scipy.stats.permutation_test` has it for paired samples, in a fifth of its time for thousands of queries.
    """
    observed = abs(differences.sum())
    as_large = observed - ROUNDING * np.abs(differences).sum()
    exact = 2**differences.size <= RESAMPLES
    draws = _all_signs(differences.size) if exact else _random_signs(differences.size)
    count = sum(int((np.abs(signs @ differences) >= as_large).sum()) for signs in draws)
    return count / 2**differences.size if exact else (count + 1) / RESAMPLES


def _all_signs(size: int) -> Iterator[NDArray[np.float64]]:
    """Every way to give differences a sign, -1 or 1: (ways, size)."""
    bits = np.arange(2**size)[:, None] >> np.arange(size)
    yield (1 - 2 * (bits & 1)).astype(np.float64)


def _random_signs(size: int) -> Iterator[NDArray[np.float64]]:
    """Signs at random, RESAMPLES - 1 rows of (size,), some rows at a time."""
    chance = np.random.default_rng(SEED)
    rows = max(1, DRAWN_AT_ONCE // size)
    for done in range(0, RESAMPLES - 1, rows):
        drawn = min(rows, RESAMPLES - 1 - done)
        yield 1.0 - 2.0 * chance.integers(0, 2, (drawn, size), np.int8)
