"""Passage scores to ranked documents."""

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]


def best_passages(scores: Scores, documents: NDArray[np.int32], count: int) -> Scores:
    """Score each document by its best passage.

    scores: float32 (passages,). documents: int32 (passages,), index of each one's document.
    Returns float32 (count,); -inf where a document has no passage.
    """
    best = np.full(count, -np.inf, dtype=np.float32)
    np.maximum.at(best, documents, scores)
    return best


def winning_passages(scores: Scores, documents: NDArray[np.int32], best: Scores) -> NDArray[np.intp]:
    """Index of the passage that gave each document its score, the first of equals: intp (documents,).

    Every document must have a passage. scores, documents: as in best_passages. best: the scores that it returned.
    """
    winners = np.empty(best.size, dtype=np.intp)
    winning = np.flatnonzero(scores == best[documents])
    winners[documents[winning[::-1]]] = winning[::-1]  # what is written last stays: the first of equals
    return winners


def sigmoid(logits: Scores) -> Scores:
    """Logits as values from 0 to 1, float32, exact to the last digit; no logit overflows."""
    wide = logits.astype(np.float64)
    return (0.5 * (1.0 + np.tanh(0.5 * wide))).astype(np.float32)


def unit_cosine(cosines: Scores) -> Scores:
    """Cosines as values from 0 to 1, float32: (1 + cosine) / 2, clipped because rounding can leave that interval."""
    shifted: Scores = ((1.0 + cosines) * 0.5).astype(np.float32)
    return np.clip(shifted, np.float32(0), np.float32(1))


def best_first(scores: Scores, top_n: int | None) -> NDArray[np.intp]:
    """Indices of the documents by score descending, ties by index; all of them, or the first top_n."""
    return np.argsort(-scores, kind="stable")[:top_n]
