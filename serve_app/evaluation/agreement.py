"""How far two scorings of the same documents put them into the same order.

Scores come as rows, one a query: an array (queries, documents), or arrays of their own lengths.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

TOP = 10

Scores = NDArray[np.floating[Any]]
Rows = Iterable[Scores]


def top(scores: Scores, count: int = TOP) -> NDArray[np.intp]:
    """Indices of the best scores of one row, (documents,), best first; ties by index."""
    return np.argsort(-scores, kind="stable")[:count]


def top_agreement(scores: Rows, exact: Rows, count: int = TOP) -> float:
    """The mean share of the first `count` places whose documents both have; of all places where a row is shorter."""
    shares = [
        np.intersect1d(one := top(row, count), top(other, count)).size / one.size
        for row, other in zip(scores, exact, strict=True)
    ]
    return float(np.mean(shares))


def rank_correlation(scores: Rows, exact: Rows) -> float:
    """Spearman's, the mean over rows; documents that tie share the mean of their ranks."""
    return float(np.mean([_correlation(_ranks(one), _ranks(other)) for one, other in zip(scores, exact, strict=True)]))


def mean_reciprocal_rank(scores: Rows, relevant: Iterable[int], count: int = TOP) -> float:
    """The mean over rows of 1 / rank of the relevant document's index, 0 where it is not among the first `count`."""
    ranks = [np.flatnonzero(top(row, count) == index) for row, index in zip(scores, relevant, strict=True)]
    return float(np.mean([1 / (rank[0] + 1) if rank.size else 0.0 for rank in ranks]))


def _ranks(scores: Scores) -> NDArray[np.float64]:
    """Ranks from 1 of the lowest on, those of equal scores their mean."""
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    means: NDArray[np.float64] = np.cumsum(counts) - (counts - 1) / 2
    return means[places]


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Pearson's. A row without any order has none: 1 where the other has none either, else 0."""
    one, other = one - one.mean(), other - other.mean()
    spread = float(one @ one) * float(other @ other)
    if not spread:
        return float(not one.any() and not other.any())
    return float(np.clip(one @ other / np.sqrt(spread), -1, 1))
