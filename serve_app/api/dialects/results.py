"""Ranked documents as clients of several services read them."""

from typing import Any

from serve_app.domain.answer import Ranking, Usage
from serve_app.domain.float32 import shortest_each
from serve_app.domain.price import usd
from serve_app.domain.request import RerankRequest

DOCUMENTS_PER_SEARCH_UNIT = 100  # Cohere's unit of billing


def shown_scores(ranking: Ranking) -> list[float]:
    """The score of each result, with no more digits than it needs."""
    scores: list[float] = shortest_each([result.relevance_score for result in ranking.results]).tolist()
    return scores


def _scored(ranking: Ranking) -> list[dict[str, Any]]:
    """The index and the score of each result."""
    return [
        {"index": result.index, "relevance_score": score}
        for result, score in zip(ranking.results, shown_scores(ranking), strict=True)
    ]


def result_bodies(ranking: Ranking, request: RerankRequest) -> list[dict[str, Any]]:
    """The results, each with its document and passage where they were asked for."""
    found = _scored(ranking)
    for result, body in zip(ranking.results, found, strict=True):
        given = request.documents[result.index]
        if request.return_documents:
            body["document"] = given.source if given.source is not None else {"text": given.text}
        if span := result.passage:
            body["passage"] = {"start": span.start, "end": span.end, "text": given.text[span.start : span.end]}
    return found


def voyage_results(ranking: Ranking, request: RerankRequest) -> list[dict[str, Any]]:
    """The results as Voyage's clients read them: a document is its text."""
    found = _scored(ranking)
    if request.return_documents:
        for result in found:
            result["document"] = request.documents[result["index"]].text
    return found


def search_units(usage: Usage) -> int:
    """Cohere's unit: a query with up to 100 documents."""
    return -(-usage.documents // DOCUMENTS_PER_SEARCH_UNIT)


def priced(usage: Usage) -> dict[str, float | int]:
    """What OpenRouter's clients read of an answer's cost, in US dollars."""
    return {"cost": usd(usage.nano_dollars), "search_units": search_units(usage)}


def cohere_meta(version: str, usage: Usage) -> dict[str, Any]:
    """What Cohere's SDKs read of an answer's cost. version: of their API."""
    return {
        "api_version": {"version": version},
        "billed_units": {"search_units": search_units(usage)},
        "tokens": {"input_tokens": usage.tokens, "output_tokens": 0},
    }
