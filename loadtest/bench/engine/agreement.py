"""How far a model in less precision ranks as it does in float32, on real text.

The protocol: every query of the corpus against every distinct gloss and passage of it, 2,600 candidates of which a
dozen are about the same word; whoever ranks them needs the vectors to differ in the third digit.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loadtest.corpus.read import Corpus

TOP = 10

Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Ranking:
    """The texts of a ranking: queries, candidates, and int (queries,), the candidate that answers each."""

    queries: list[str]
    candidates: list[str]
    relevant: NDArray[np.int64]

    @property
    def texts(self) -> list[str]:
        """Queries, then candidates."""
        return self.queries + self.candidates

    def scores(self, vectors: Scores) -> Scores:
        """Cosines (queries, candidates) from the vectors of `texts`, each of length 1."""
        return vectors[: len(self.queries)] @ vectors[len(self.queries) :].T


def whole_corpus(corpus: Corpus) -> Ranking:
    """All queries against all distinct glosses and passages."""
    places: dict[str, int] = {}
    for gloss in corpus.glosses:
        for text in (gloss.relevant, *gloss.hard_negatives):
            places.setdefault(text, len(places))
    for text in corpus.passages:
        places.setdefault(text, len(places))
    relevant = np.array([places[gloss.relevant] for gloss in corpus.glosses])
    return Ranking([gloss.query for gloss in corpus.glosses], list(places), relevant)


def top(scores: Scores, count: int = TOP) -> NDArray[np.intp]:
    """Indices of the best of each row, best first, ties by index: (rows, count)."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :count]


def top_agreement(scores: Scores, exact: Scores, count: int = TOP) -> float:
    """Mean over rows of |top ∩ top of exact| / count."""
    pairs = zip(top(scores, count), top(exact, count), strict=True)
    return float(np.mean([len(np.intersect1d(one, other)) / count for one, other in pairs]))


def mean_reciprocal_rank(scores: Scores, relevant: NDArray[np.int64], count: int = TOP) -> float:
    """Mean over rows of 1 / rank of the relevant column, 0 where it is not among the first `count`."""
    hits = top(scores, count) == relevant[:, None]
    return float((hits / np.arange(1, hits.shape[1] + 1)).sum(axis=1).mean())


def rank_correlation(scores: Scores, exact: Scores) -> float:
    """Spearman's, mean over rows."""
    ranks = [np.argsort(np.argsort(values, axis=1), axis=1) for values in (scores, exact)]
    return float(np.mean([np.corrcoef(one, other)[0, 1] for one, other in zip(*ranks, strict=True)]))
