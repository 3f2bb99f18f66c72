"""Small scorers that answer as a model would."""

import asyncio
from collections.abc import Callable, Sequence

from serve_app.domain.errors import UserError
from serve_app.evaluation.scorer import QueryScores, ScorerFacts

FACTS = ScorerFacts("org/overlap", "float32", "a machine", "f" * 32, usd_per_1k_documents="0.008")


def overlap(query: str, text: str) -> float:
    """How many of the query's words a text has."""
    return float(len(set(query.split()) & set(text.split())))


class Overlap:
    """Scores by shared words. asked: every asking. at_once, most_at_once: askings that are open, and their most.

    fails_after: askings; None for never.
    """

    def __init__(
        self, score: Callable[[str, str], float] = overlap, fails_after: int | None = None, facts: ScorerFacts = FACTS
    ) -> None:
        self.asked: list[tuple[str, list[str]]] = []
        self.at_once = self.most_at_once = 0
        self.facts, self._score, self._fails_after = facts, score, fails_after

    async def score(self, query: str, documents: Sequence[str], *, alone: bool = False) -> QueryScores:
        if len(self.asked) == self._fails_after:
            raise UserError("the server is gone")
        self.asked.append((query, list(documents)))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        count = len(documents)
        scores = [self._score(query, text) for text in documents]
        return QueryScores(scores, 0.25 * count, 7 * count, count, 8_000 * count)

    @property
    def pairs(self) -> int:
        """Pairs that were scored."""
        return sum(len(documents) for _, documents in self.asked)
