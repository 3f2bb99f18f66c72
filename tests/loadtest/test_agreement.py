import numpy as np
import pytest

from loadtest.bench.engine.agreement import mean_reciprocal_rank, rank_correlation, top, top_agreement, whole_corpus
from loadtest.corpus.read import Corpus, Gloss, read_corpus

EXACT = np.array([[0.9, 0.8, 0.7, 0.1], [0.1, 0.2, 0.3, 0.4]], dtype=np.float32)


def test_the_top_is_best_first_and_ties_go_by_index() -> None:
    assert top(np.array([[0.2, 0.9, 0.9, 0.1]]), 3).tolist() == [[1, 2, 0]]


def test_agreement_is_the_mean_share_of_the_top_that_both_have() -> None:
    # First row: {0, 2} of {0, 1}; second: the same two in another order.
    other = np.array([[0.9, 0.1, 0.8, 0.0], [0.1, 0.2, 0.4, 0.3]], dtype=np.float32)
    assert top_agreement(other, EXACT, 2) == pytest.approx((0.5 + 1) / 2)
    assert top_agreement(EXACT * 2 + 1, EXACT, 2) == 1


def test_the_reciprocal_rank_is_nothing_below_the_top() -> None:
    assert mean_reciprocal_rank(EXACT, np.array([1, 3]), 2) == pytest.approx((1 / 2 + 1) / 2)
    assert mean_reciprocal_rank(EXACT, np.array([3, 0]), 2) == 0


def test_rank_correlation_is_one_for_the_same_order_and_minus_one_for_its_reverse() -> None:
    assert rank_correlation(EXACT * 2 + 1, EXACT) == pytest.approx(1)
    assert rank_correlation(-EXACT, EXACT) == pytest.approx(-1)
    assert rank_correlation(np.stack([EXACT[0], -EXACT[1]]), EXACT) == pytest.approx(0)


def test_a_text_is_one_candidate_however_often_it_comes() -> None:
    glosses = (Gloss("a", "x", ("y", "z")), Gloss("b", "z", ("x", "w")))
    ranking = whole_corpus(Corpus(glosses, passages=("p", "y")))
    assert ranking.candidates == ["x", "y", "z", "w", "p"]
    assert ranking.relevant.tolist() == [0, 2]
    assert ranking.texts == ["a", "b", *ranking.candidates]


def test_every_query_of_the_corpus_meets_all_of_its_texts() -> None:
    ranking = whole_corpus(read_corpus())
    assert len(ranking.queries) == 400
    assert len(ranking.candidates) > 2_000


def test_scores_are_the_cosines_of_queries_with_candidates() -> None:
    ranking = whole_corpus(Corpus((Gloss("a", "x", ("y",)),), passages=()))
    vectors = np.array([[1, 0], [0.6, 0.8], [0, 1]], dtype=np.float32)
    assert ranking.scores(vectors) == pytest.approx(np.array([[0.6, 0.0]]))
