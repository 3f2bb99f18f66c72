from itertools import islice
from statistics import median

import pytest

from loadtest.corpus.read import Corpus, read_corpus
from loadtest.corpus.workload import RerankBody, draw_requests

MODEL = "a-model"


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return read_corpus()


@pytest.fixture(scope="module")
def drawn(corpus: Corpus) -> list[RerankBody]:
    return list(islice(draw_requests(corpus, MODEL, seed=1), 400))


def test_the_same_seed_draws_the_same_requests(corpus: Corpus, drawn: list[RerankBody]) -> None:
    assert list(islice(draw_requests(corpus, MODEL, seed=1), 20)) == drawn[:20]
    assert list(islice(draw_requests(corpus, MODEL, seed=2), 20)) != drawn[:20]


def test_the_number_of_documents_is_that_of_a_first_stage(drawn: list[RerankBody]) -> None:
    counts = [len(body["documents"]) for body in drawn]
    assert min(counts) >= 1
    assert max(counts) <= 200
    assert median(counts) == pytest.approx(25, rel=0.15)


def test_documents_are_as_long_as_rag_passages(drawn: list[RerankBody]) -> None:
    lengths = [len(document) for body in drawn for document in body["documents"]]
    assert max(lengths) <= 2500
    assert max(lengths) > 2000
    assert median(lengths) == pytest.approx(500, rel=0.1)


def test_every_request_carries_the_answer_to_its_query(corpus: Corpus, drawn: list[RerankBody]) -> None:
    answers = {gloss.query: gloss.relevant for gloss in corpus.glosses}
    for body in drawn:
        assert sum(document.startswith(answers[body["query"]]) for document in body["documents"]) >= 1


def test_a_request_is_one_that_the_service_accepts(drawn: list[RerankBody]) -> None:
    for body in drawn:
        assert body["model"] == MODEL
        assert body["query"].strip()
        assert all(document.strip() for document in body["documents"])
        assert body["top_n"] >= 1
