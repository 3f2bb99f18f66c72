import numpy as np
import pytest

from serve_app.domain.errors import ServiceError
from serve_app.domain.float32 import shortest
from serve_app.domain.request import Document, Reading, RerankRequest
from serve_app.domain.terms import Terms
from tests.engine.loaded import Engine
from tests.service.reranking import Service, by_index
from tests.tiny_models import TinyModel, training_text

ODD = [
    "",
    "\x00",
    "\u202eمرحبا بالعالم",
    "👩‍👩‍👧‍👦 🍌",
    "x" * 120_000,
    "word " * 24_000,
    "\n\n\t",
    "<pad></s>[SEP]",
    "\ufeff\ufffd",
]


@pytest.fixture(params=[("roberta", "classification"), ("bert", "embedding")], ids="-".join)
def tiny(request: pytest.FixtureRequest, tiny_models: dict[tuple[str, str], TinyModel]) -> TinyModel:
    return tiny_models[request.param]


@pytest.fixture
def service(tiny: TinyModel) -> Service:
    return Service(tiny)


def test_raw_scores_are_the_engines(service: Service, tiny: TinyModel) -> None:
    query, *texts = training_text()[:31]
    found = by_index(service.rank(query, texts, raw_scores=True))
    np.testing.assert_allclose(found, Engine(tiny).scores(query, texts), atol=1e-5)


def test_relevance_is_between_0_and_1_in_the_order_of_the_raw_scores(service: Service) -> None:
    query, *texts = training_text()[:31]
    relevance, raw = service.rank(query, texts), service.rank(query, texts, raw_scores=True)
    assert [result.index for result in relevance.results] == [result.index for result in raw.results]
    assert all(0 <= result.relevance_score <= 1 for result in relevance.results)


def test_results_come_best_first_and_equal_ones_by_index(service: Service) -> None:
    texts = training_text()[:10] * 3
    results = service.rank("the light of the year", texts).results
    assert results == sorted(results, key=lambda result: (-result.relevance_score, result.index))


def test_a_document_that_comes_many_times_is_scored_once(service: Service) -> None:
    service.rank("red", ["red fish", "blue fish", "red fish", "red fish"])
    assert service.passages == 2


def test_documents_that_are_the_same_have_the_same_score(service: Service) -> None:
    scores = by_index(service.rank("red", ["red fish", *training_text()[:20], "red fish"]))
    assert scores[0] == scores[-1]


def test_ten_thousand_documents_that_are_the_same_come_by_index(service: Service) -> None:
    ranking = service.rank("red", ["red fish"] * 10_000)
    assert [result.index for result in ranking.results] == list(range(10_000))
    assert service.passages == 1
    assert ranking.usage.documents == 10_000
    assert ranking.usage.nano_dollars == 10_000 * 8_000


def test_odd_texts_are_ranked_as_any_other(service: Service) -> None:
    scores = by_index(service.rank("red", ODD))
    assert len(scores) == len(ODD)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("query", ODD[1:], ids=ascii)
def test_odd_queries_are_taken_as_any_other(service: Service, query: str) -> None:
    assert np.isfinite(by_index(service.rank(query[:20_000], ["red fish", ""]))).all()


def test_top_n_gives_the_best_so_many(service: Service) -> None:
    texts = training_text()[:20]
    assert service.rank("red", texts, top_n=3).results == service.rank("red", texts).results[:3]


@pytest.mark.parametrize("raw_scores", [False, True])
def test_documents_below_a_threshold_are_left_out_and_billed(service: Service, raw_scores: bool) -> None:
    texts = training_text()[:20]
    options = {"raw_scores": raw_scores, "return_passages": True}
    every = service.rank("red", texts, **options)
    shown = [shortest(result.relevance_score) for result in every.results]
    for threshold in (shown[0], shown[6], shown[-1]):
        some = service.rank("red", texts, score_threshold=threshold, **options)
        kept = [result for result, score in zip(every.results, shown, strict=True) if score >= threshold]
        assert (some.results, some.usage) == (kept, every.usage)
        assert service.rank("red", texts, score_threshold=threshold, top_n=5, **options).results == kept[:5]
    none = service.rank("red", texts, score_threshold=shown[0] + 1, **options)
    assert (none.results, none.usage) == ([], every.usage)


def test_usage_counts_the_tokens_that_the_model_read(service: Service, tiny: TinyModel) -> None:
    one, two = (service.rank("red", ["red fish"] * count).usage for count in (1, 2))
    engine = Engine(tiny)
    red, fish = engine.tokenizer.encode(["red", "red fish"])
    special = engine.form.opening.size + engine.form.closing.size
    extra = engine.form.between.size if engine.form.reads_pairs else special
    assert one.tokens == two.tokens == red.size + fish.size + special + extra


@pytest.mark.parametrize("place", [0, 2, 3])
def test_without_truncation_the_document_that_is_too_long_is_named(service: Service, place: int) -> None:
    texts = ["red", "blue", "red", "green", "fish"]
    texts[place] = "red fish " * 200
    with pytest.raises(ServiceError) as raised:
        service.rank("red", texts, reading=Reading(truncate=False))
    assert (raised.value.code, raised.value.param) == ("invalid_request", f"documents[{place}]")
    assert raised.value.message.startswith(f"documents[{place}] has ")


def test_without_truncation_the_first_of_equal_documents_is_named(service: Service) -> None:
    long = "red fish " * 200
    with pytest.raises(ServiceError) as raised:
        service.rank("red", ["blue", "blue", long, long], reading=Reading(truncate=False))
    assert raised.value.param == "documents[2]"


def test_without_truncation_a_query_that_is_too_long_is_named(service: Service) -> None:
    with pytest.raises(ServiceError) as raised:
        service.rank("red fish " * 200, ["red"], reading=Reading(truncate=False))
    assert raised.value.param == "query"


def test_the_clients_own_limit_of_a_document_is_kept(service: Service) -> None:
    texts = ["red fish swims", "red fish walks away"]
    one, two = (service.rank("red", texts, reading=Reading(max_document_tokens=limit)) for limit in (1, 2))
    assert two.usage.tokens - one.usage.tokens == len(texts)
    scores = by_index(one)
    # The two rows of a step are alike to the last bits only where oneDNN's products are the faster ones.
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)


def test_no_time_at_all_is_a_deadline_exceeded(service: Service) -> None:
    with pytest.raises(ServiceError) as raised:
        service.ask(RerankRequest("tiny", "red", [Document("fish")]), Terms(timeout_s=0.0))
    assert raised.value.code == "deadline_exceeded"


def test_a_model_that_is_not_served_is_refused_with_those_that_are(service: Service) -> None:
    with pytest.raises(ServiceError, match="org/tiny") as raised:
        service.ask(RerankRequest("other", "a", [Document("b")]))
    assert raised.value.code == "model_not_found"
