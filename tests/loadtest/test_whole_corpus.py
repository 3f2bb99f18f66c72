import numpy as np
import pytest

from loadtest.bench.engine.whole_corpus import whole_corpus
from loadtest.corpus.read import Corpus, Gloss, read_corpus


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
