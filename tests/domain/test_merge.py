import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.domain.merge import best_first, best_passages, sigmoid, unit_cosine, winning_passages

logits = st.floats(-100, 100, width=32)
# Few values, so that ties are common.
tied = st.lists(st.sampled_from([-1.5, -0.0, 0.0, 0.25, 3.0]) | logits, max_size=50)


@given(tied, st.none() | st.integers(1, 60))
def test_documents_come_by_score_descending_and_ties_by_index(scores: list[float], top_n: int | None) -> None:
    found = best_first(np.array(scores, dtype=np.float32), top_n)
    assert found.tolist() == sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:top_n]


@given(st.lists(st.tuples(st.integers(0, 5), logits), max_size=40))
def test_a_document_is_as_good_as_its_best_passage(passages: list[tuple[int, float]]) -> None:
    documents = np.array([document for document, _ in passages], dtype=np.int32)
    scores = np.array([score for _, score in passages], dtype=np.float32)
    found = best_passages(scores, documents, 6)
    for document in range(6):
        assert found[document] == max((score for place, score in passages if place == document), default=-math.inf)


@given(st.lists(logits, min_size=2, max_size=30))
def test_the_order_by_relevance_is_never_against_the_order_by_logit(values: list[float]) -> None:
    relevance = sigmoid(np.sort(np.array(values, dtype=np.float32)))
    assert (np.diff(relevance) >= 0).all()


def test_relevance_is_the_logistic_function_without_overflow() -> None:
    values = np.array([-1e30, -100, -3.5, 0, 3.5, 100, 1e30], dtype=np.float32)
    exact = [0.0, 1 / (1 + math.exp(100)), 1 / (1 + math.exp(3.5)), 0.5, 1 / (1 + math.exp(-3.5)), 1.0, 1.0]
    with np.errstate(over="raise", invalid="raise"):
        found = sigmoid(values)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-7)


@pytest.mark.parametrize("cosine", [-1.0000001, -1.0, 1.0, 1.0000001])
def test_a_cosine_that_rounding_pushed_out_still_gives_0_to_1(cosine: float) -> None:
    (found,) = unit_cosine(np.array([cosine], dtype=np.float32))
    assert found == (cosine > 0)


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from([-1.0, 0.0, 0.5, 2.0])), min_size=1))
def test_the_winning_passage_is_the_first_with_the_documents_score(passages: list[tuple[int, float]]) -> None:
    numbered = {document: place for place, document in enumerate(sorted({document for document, _ in passages}))}
    documents = np.array([numbered[document] for document, _ in passages], dtype=np.int32)
    scores = np.array([score for _, score in passages], dtype=np.float32)
    best = best_passages(scores, documents, len(numbered))
    for document, winner in enumerate(winning_passages(scores, documents, best)):
        own = [place for place in range(len(passages)) if documents[place] == document]
        assert winner == max(own, key=lambda place: (scores[place], -place))
