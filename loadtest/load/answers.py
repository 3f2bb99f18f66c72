"""What is wrong in the form of a rerank answer."""

import json
from collections.abc import Iterator
from itertools import pairwise

from loadtest.corpus.workload import RerankBody


def fault_in(request: RerankBody, status: int, content: bytes) -> str | None:
    """Name the first thing that the answer to the request got wrong; None where its form is right.

    The words name the kind of fault and no values, so that faults of one kind are counted together.
    """
    return next(_faults(request, status, content), None)


def _faults(request: RerankBody, status: int, content: bytes) -> Iterator[str]:
    """Yield faults in an order in which each check may rely on those before it."""
    if status != 200:
        yield f"status {status}"
    try:
        results = [(result["index"], result["relevance_score"]) for result in json.loads(content)["results"]]
    except (ValueError, KeyError, TypeError):
        yield "no results with index and relevance_score"
        return
    count = len(request["documents"])
    indices, scores = [index for index, _ in results], [score for _, score in results]
    if len(results) != min(request["top_n"], count):
        yield "not min(top_n, documents) results"
    if not all(type(index) is int and 0 <= index < count for index in indices):
        yield "an index that no document has"
    if len(set(indices)) != len(indices):
        yield "an index twice"
    if not all(type(score) in (int, float) and 0 <= score <= 1 for score in scores):
        yield "a score outside 0..1"
    if any(first < second for first, second in pairwise(scores)):
        yield "results not sorted by relevance_score"
