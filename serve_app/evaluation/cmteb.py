"""C-MTEB's own reckoning of a reranking: MAP and MRR@10 over a query's positives and negatives.

What `RerankingEvaluator` of mteb before 2.0 and C_MTEB's `ChineseRerankingEvaluator` compute, with which the figures of
Chinese rerankers were published. Scores are compared as doubles.
"""

import numpy as np
from numpy.typing import NDArray

CUT = 10  # of MRR


def average_precision(scores: NDArray[np.float64], relevant: NDArray[np.bool_]) -> float:
    """One query's average precision, as scikit-learn's `average_precision_score` has it.

    scores: (candidates,), finite. relevant: (candidates,), at least one of them true. Documents that tie are one
    threshold: each of them has the precision at the last of them, in whatever order they came.
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(relevant[order])
    last_of_tie = np.append(np.flatnonzero(np.diff(scores[order])), scores.size - 1)
    found = hits[last_of_tie]
    return float(np.sum(np.diff(found, prepend=0) * found / (last_of_tie + 1)) / found[-1])


def reciprocal_rank(scores: NDArray[np.float64], relevant: NDArray[np.bool_]) -> float:
    """1 / rank of one query's best positive, 0 behind the tenth.

    As in average_precision. The evaluator has positives ahead of negatives, so that a positive which ties is ranked
    above the negatives that it ties with: a model that gives every document the same score reaches 1. Its sort promises
    no order among equals, and some CPUs' does otherwise; here it is always this one.
    """
    rank = 1 + int(np.count_nonzero(scores > scores[relevant].max()))
    return 1 / rank if rank <= CUT else 0.0
