"""How long answers took, in memory that does not grow: percentiles to within 5 %."""

import math
from array import array
from collections.abc import Iterable

import numpy as np

RATIO = 1.1  # of each bucket's end to its beginning
LEAST_S = 1e-4  # what is shorter is in the first bucket
MOST_S = 1e3  # what is longer is in the last one
BUCKETS = math.ceil(math.log(MOST_S / LEAST_S, RATIO))
PER_LOG = 1 / math.log(RATIO)


class Latencies:
    """Counts of answers by the seconds that they took."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts = array("I", bytes(4 * BUCKETS))

    def add(self, seconds: float) -> None:
        """Count an answer."""
        bucket = int(math.log(seconds / LEAST_S) * PER_LOG) if seconds > LEAST_S else 0
        self._counts[min(bucket, BUCKETS - 1)] += 1

    def take(self, others: Iterable["Latencies"]) -> None:
        """Count what others have, too."""
        for other in others:
            np.asarray(self._counts)[:] += np.asarray(other._counts)

    def percentiles(self, *shares: float) -> list[float | None]:
        """The seconds within which each share of the answers was given: 0.5 is the median. None where there is none."""
        sums = np.asarray(self._counts).cumsum()
        total = int(sums[-1])
        if not total:
            return [None] * len(shares)
        ranks = [math.ceil(share * total) for share in shares]
        return [LEAST_S * RATIO ** (int(bucket) + 0.5) for bucket in np.searchsorted(sums, ranks)]
