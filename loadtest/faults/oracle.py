"""Requests whose right answers are known: the engine's scores, computed here before the server starts."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from loadtest.corpus.read import read_corpus
from loadtest.corpus.workload import draw_requests
from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import resolve
from serve_app.domain.request import Document, RerankRequest
from serve_app.domain.terms import Terms
from serve_app.service.in_process import load, served_here
from serve_app.settings import EMBEDDED_MODEL

DOCUMENTS = 6  # at most, of a request
TOLERANCE = 1e-5  # of a score: what else is in a step may change the last digits
LOAD_S = 600.0


@dataclass(frozen=True, slots=True)
class Known:
    """A request and the score of each of its documents."""

    body: bytes
    scores: tuple[float, ...]

    def fault_in(self, content: bytes) -> str | None:
        """What is wrong with an answer of status 200; None where it is right."""
        try:
            found = [(result["index"], result["relevance_score"]) for result in json.loads(content)["results"]]
        except (ValueError, KeyError, TypeError):
            return "no results with index and relevance_score"
        if sorted(index for index, _ in found) != list(range(len(self.scores))):
            return "not each document once"
        if any(abs(score - self.scores[index]) > TOLERANCE for index, score in found):
            return "another score than the engine's"
        if any(first[1] < second[1] for first, second in pairwise(found)):
            return "not sorted by relevance_score"
        return None


def known_requests(count: int, seed: int = 7) -> list[Known]:
    """Requests for the embedded model, with the engine's scores."""
    drawn = list(islice(draw_requests(read_corpus(), EMBEDDED_MODEL, seed, DOCUMENTS), count))
    asked = [(body["query"], body["documents"]) for body in drawn]
    scores = asyncio.run(_scores(asked))
    return [
        Known(json.dumps({"model": EMBEDDED_MODEL, "query": query, "documents": documents}).encode(), tuple(each))
        for (query, documents), each in zip(asked, scores, strict=True)
    ]


async def _scores(asked: Sequence[tuple[str, list[str]]]) -> list[list[float]]:
    card = resolve(EMBEDDED_MODEL, load_catalog())
    async with served_here(load(card)) as reranker:
        found = []
        for query, documents in asked:
            texts = [Document(text) for text in documents]
            answer = await reranker.ask(RerankRequest(card.id, query, texts), Terms(timeout_s=LOAD_S))
            by_index = {result.index: float(result.relevance_score) for result in answer.results}
            found.append([by_index[index] for index in range(len(documents))])
        return found
