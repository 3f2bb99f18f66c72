import json

import pytest

from loadtest.corpus.workload import RerankBody
from loadtest.load.answers import fault_in

REQUEST: RerankBody = {"model": "m", "query": "q", "documents": ["a", "b", "c"], "top_n": 2}
FEW: RerankBody = {**REQUEST, "top_n": 10}


def answer(*results: tuple[object, object]) -> bytes:
    return json.dumps({"results": [{"index": index, "relevance_score": score} for index, score in results]}).encode()


def test_a_right_answer_has_no_fault() -> None:
    assert fault_in(REQUEST, 200, answer((2, 1), (0, 0.5))) is None
    assert fault_in(REQUEST, 200, answer((2, 0.5), (0, 0.5))) is None
    assert fault_in(FEW, 200, answer((2, 0.9), (0, 0.5), (1, 0.0))) is None


@pytest.mark.parametrize(
    ("status", "content", "fault"),
    [
        (429, answer((2, 0.9), (0, 0.5)), "status 429"),
        (200, b"<html>", "no results with index and relevance_score"),
        (200, b"[]", "no results with index and relevance_score"),
        (200, b'{"results": [{"index": 0}]}', "no results with index and relevance_score"),
        (200, answer((2, 0.9)), "not min(top_n, documents) results"),
        (200, answer((2, 0.9), (1, 0.8), (0, 0.7)), "not min(top_n, documents) results"),
        (200, answer((3, 0.9), (0, 0.5)), "an index that no document has"),
        (200, answer((True, 0.9), (0, 0.5)), "an index that no document has"),
        (200, answer((2, 0.9), (2, 0.5)), "an index twice"),
        (200, answer((2, 1.1), (0, 0.5)), "a score outside 0..1"),
        (200, answer((2, float("nan")), (0, 0.5)), "a score outside 0..1"),
        (200, answer((2, None), (0, 0.5)), "a score outside 0..1"),
        (200, answer((2, 0.5), (0, 0.9)), "results not sorted by relevance_score"),
    ],
)
def test_a_wrong_answer_is_named(status: int, content: bytes, fault: str) -> None:
    assert fault_in(REQUEST, status, content) == fault
