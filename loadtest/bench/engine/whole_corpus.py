"""The texts on which it is measured how far a model in less precision ranks as it does in float32.

Every query of the corpus meets every distinct gloss and passage of it, 2,600 candidates of which a dozen are about the
same word; whoever ranks them needs the vectors to differ in the third digit.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loadtest.corpus.read import Corpus

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
