"""Rankings by how far down the reranker reads, all from the same scores, and the time that each depth takes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from serve_app.domain.price import usd
from serve_app.evaluation.kept import KeptScores
from serve_app.evaluation.scorer import QueryScores, Scorer

FIRST_PLACES = 10
TIMED_QUERIES = 20  # of a collection
SLOW = 95  # percentile


def reranked(candidates: Sequence[str], scores: Mapping[str, float], k: int) -> list[str]:
    """The first k candidates by score, ties in their order, and behind them the others as they were."""
    first = sorted(candidates[:k], key=lambda document: -scores[document])
    return [*first, *candidates[k:]]


def by_place(ranking: Sequence[str]) -> dict[str, float]:
    """A ranking as scores, one lower from place to place: measures then see it as it is, ties or not."""
    return {document: float(len(ranking) - place) for place, document in enumerate(ranking)}


def moved(before: Sequence[str], after: Sequence[str]) -> float:
    """The share of the first ten places, or of fewer where there are fewer, that hold another document than before."""
    places = list(zip(before[:FIRST_PLACES], after[:FIRST_PLACES], strict=True))
    return sum(old != new for old, new in places) / len(places) if places else 0.0


@dataclass(frozen=True, slots=True)
class Ranked:
    """What there is to rank for a query. texts: of the candidates, in their order."""

    id: str
    query: str
    candidates: Sequence[str]
    texts: Sequence[str]


async def ask_alone(
    scorer: Scorer, kept: KeptScores, asked: Sequence[Ranked], ks: Sequence[int], told: Callable[[int], object]
) -> None:
    """Ask each query at each depth, one at a time and nothing beside it, and keep what that took.

    What was asked alone before is not asked again. The depths take turns, so that a machine that slows down does so for
    all of them. told: of the documents of each asking.
    """
    warm = False
    for each in asked:
        for k in ks:
            texts = each.texts[:k]
            if kept.alone(each.query, texts) is None:
                if not warm:  # whoever comes first waits for more than the scoring; it is paid like the others
                    kept.add(each.query, texts, await scorer.score(each.query, texts, alone=True))
                    warm = True
                kept.add(each.query, texts, await scorer.score(each.query, texts, alone=True), alone=True)
            told(len(texts))


def times(kept: KeptScores, asked: Sequence[Ranked], k: int) -> list[QueryScores]:
    """What was asked alone at a depth."""
    found = (kept.alone(each.query, each.texts[:k]) for each in asked)
    return [answer for answer in found if answer is not None]


def median_and_slow(answers: Sequence[QueryScores]) -> tuple[float, float]:
    """Seconds of a query: the median and the 95th percentile; 0 where none was timed."""
    if not answers:
        return 0.0, 0.0
    median, slow = np.percentile([answer.seconds for answer in answers], [50, SLOW])
    return float(median), float(slow)


def usd_per_1k_queries(
    ranked: Sequence[Ranked], k: int, usd_per_1k_documents: str | None, answers: Sequence[QueryScores]
) -> float | None:
    """What a thousand queries cost where each document is billed once; None where no price is known.

    answers: to queries at this depth; where no price is stated, what they were charged tells it.
    """
    if usd_per_1k_documents is None:
        charged = [answer.nano_dollars for answer in answers]
        return usd(sum(charged)) / len(charged) * 1_000 if any(charged) else None
    documents = sum(min(k, len(each.candidates)) for each in ranked)
    return float(Decimal(usd_per_1k_documents) * documents / len(ranked))


def spread(ranked: Sequence[Ranked], count: int) -> list[Ranked]:
    """So many of the queries, from all over the list."""
    if count <= 0:
        return []
    if count >= len(ranked):
        return list(ranked)
    return [ranked[place * len(ranked) // count] for place in range(count)]
