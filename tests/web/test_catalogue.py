from dataclasses import replace

import pytest

from serve_app.catalog.catalog import load_catalog
from serve_app.domain.model import ModelInfo, ModelState
from serve_app.web.catalogue import SORTS, Listed, all_models, chosen, find_model, related, wish_of
from tests.api.word_overlap import MODEL, WordOverlap

CATALOG = load_catalog()
BASE, LARGE = "BAAI/bge-reranker-base", "BAAI/bge-reranker-large"


class Serving(WordOverlap):
    """A service with a second model: one of the catalogue's, under its own name."""

    def models(self) -> list[ModelInfo]:
        card = CATALOG.find(BASE)
        assert card is not None
        state = ModelState("ready", 1_700_000_000, replicas=1, documents_per_s=40.0, tokens_per_s=12_800.0)
        return [*super().models(), ModelInfo(card, state, 256)]


def ids(models: list[Listed]) -> list[str]:
    return [each.facts.id for each in models]


@pytest.fixture
def models() -> list[Listed]:
    return all_models(Serving(), CATALOG)


def test_served_models_come_first_and_no_card_comes_twice(models: list[Listed]) -> None:
    assert ids(models)[:2] == [MODEL, BASE]
    assert sorted(ids(models)) == sorted([MODEL, *(card.id for card in CATALOG)])
    assert [each.state is not None for each in models] == [True, True] + [False] * (len(models) - 2)


def test_a_served_model_is_shown_as_it_is_served(models: list[Listed]) -> None:
    base = models[1]
    assert (base.context_length, base.rate, base.speed) == (256, 40.0, 100.0)


def test_a_card_that_is_not_served_is_found_by_its_alias() -> None:
    found = find_model(WordOverlap(), CATALOG, "bge-reranker-large")
    assert found is not None
    assert (found.facts.id, found.state, found.path) == (LARGE, None, f"/models/{LARGE}")
    assert find_model(WordOverlap(), CATALOG, "nobody/nothing") is None


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "reranker-LARGE bge"}, [LARGE]),
        ({"q": "deberta"}, ["mixedbread-ai/mxbai-rerank-xsmall-v1"]),
        ({"language": "zh", "q": "bge"}, [BASE, LARGE, "BAAI/bge-reranker-v2-m3"]),
        ({"license": "MIT"}, [BASE, LARGE]),
        ({"task": "embed"}, [MODEL, "sentence-transformers/all-MiniLM-L6-v2", "Qwen/Qwen3-Embedding-0.6B"]),
        ({"size": "large", "sort": "small", "q": "bge"}, [LARGE, "BAAI/bge-reranker-v2-m3"]),
        ({"price": "0"}, []),
        ({"sort": "speed", "language": "zh", "q": "bge"}, [BASE, LARGE, "BAAI/bge-reranker-v2-m3"]),
    ],
)
def test_models_are_found_by_what_is_looked_for(models: list[Listed], query: dict[str, str], found: list[str]) -> None:
    assert ids(chosen(models, wish_of(query, models))) == found


def test_what_an_address_says_wrong_is_as_if_left_out(models: list[Listed]) -> None:
    assert (
        chosen(
            models, wish_of({"size": "huge", "sort": "'; drop", "price": "x", "task": "?", "language": "xx"}, models)
        )
        == models
    )


@pytest.mark.parametrize("sort", SORTS)
def test_every_order_has_all_models(models: list[Listed], sort: str) -> None:
    assert sorted(ids(chosen(models, wish_of({"sort": sort}, models)))) == sorted(ids(models))


def test_related_models_are_of_the_same_kind_first(models: list[Listed]) -> None:
    found = related(models[1], models)
    assert found[0].facts.id == LARGE
    assert BASE not in ids(found)


def test_a_hostile_id_is_quoted_in_its_address() -> None:
    facts = replace(WordOverlap().facts, id='x"><script>/é?#')
    assert Listed(facts, None, 1).path == "/models/x%22%3E%3Cscript%3E/%C3%A9%3F%23"
