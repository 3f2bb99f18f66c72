import json
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from serve_app.catalog.catalog import CatalogError, load_catalog
from serve_app.catalog.problem import first_problem
from serve_app.catalog.served import served_cards
from serve_app.domain.prompt_template import PromptTemplate
from serve_app.settings import EMBEDDED_MODEL, EngineSettings, ModelSettings, Settings, SimulatedDevice
from tests.catalog.test_location import CONFIG


def settings(*models: ModelSettings) -> Settings:
    return Settings(models=models)


@pytest.fixture
def directory(tmp_path: Path) -> str:
    """A model directory that no card knows, called "mine"."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text(json.dumps(CONFIG))
    return str(tmp_path / "mine")


def test_a_directory_is_served_under_the_id_and_aliases_that_the_settings_give(directory: str) -> None:
    (card,) = served_cards(settings(ModelSettings(name=directory, id="org/model", aliases=("model", "m"))))
    assert (card.id, card.aliases) == ("org/model", ("model", "m"))


def test_without_an_id_a_model_keeps_its_own_and_its_cards_aliases() -> None:
    (card,) = served_cards(settings(ModelSettings(name="embedded", aliases=("small",))))
    assert card.id == EMBEDDED_MODEL
    assert {"embedded", "small"} <= set(card.aliases)


def test_a_simulated_device_shows_in_the_id_unless_the_settings_give_one() -> None:
    engine = EngineSettings(simulated=SimulatedDevice())
    plain, named = served_cards(
        settings(ModelSettings(engine=engine), ModelSettings(name="BAAI/bge-reranker-base", id="mine", engine=engine))
    )
    assert plain.id == "simulated/all-MiniLM-L6-v2"
    assert named.id == "mine"
    assert named.summary.startswith("SIMULATED")
    assert (named.about, named.evaluation, named.stated_throughput) == ("", (), None)


def test_a_price_that_the_settings_give_replaces_the_cards_and_the_rest_stays() -> None:
    text = "models: [{name: BAAI/bge-reranker-base, pricing: {usd: 0.009, tokens_usd: 1.5}}]"
    (card,) = served_cards(Settings(**yaml.safe_load(text)))
    prices = card.pricing
    assert (prices.usd, prices.batch_usd, prices.tokens_usd) == (Decimal("0.009"), Decimal("0.004"), Decimal("1.5"))


def test_prices_that_do_not_go_together_are_refused_by_the_models_place() -> None:
    cheap = ModelSettings.model_validate({"name": "BAAI/bge-reranker-base", "pricing": {"usd": "0.001"}})
    said = r"models\[1\].pricing: batch_usd \(0.004\) must not be above usd \(0.001\)"
    with pytest.raises(CatalogError, match=said):
        served_cards(settings(ModelSettings(), cheap))


def asked(directory: str, prompt: object) -> ModelSettings:
    return ModelSettings.model_validate({"name": directory, "prompt": prompt})


def test_a_directory_is_asked_like_the_card_that_is_named_or_as_the_settings_write_it(directory: str) -> None:
    named, own = served_cards(
        settings(
            asked(directory, "qwen3-reranker-0.6b"),
            asked(directory, {"query": "Q: {query}", "yes": "1", "no": "0"}).model_copy(update={"id": "own"}),
        )
    )
    assert named.prompt
    assert named.prompt == load_catalog().find("Qwen/Qwen3-Reranker-0.6B").prompt  # type: ignore[union-attr]
    assert own.prompt == PromptTemplate(query="Q: {query}", yes="1", no="0")


def test_yaml_may_have_the_answers_names_without_quotes_but_not_the_answers(directory: str) -> None:
    text = 'models: [{name: %s, prompt: {query: "{query}", yes: %s, no: "0"}}]'
    (card,) = served_cards(Settings(**yaml.safe_load(text % (directory, '"1"'))))
    assert card.prompt == PromptTemplate(query="{query}", yes="1", no="0")
    with pytest.raises(ValidationError, match=r"models\.0\.prompt\.yes\n.*should be a valid string"):
        Settings(**yaml.safe_load(text % (directory, "yes")))


def test_a_single_part_needs_no_list(directory: str) -> None:
    (card,) = served_cards(settings(asked(directory, {"query": "{query}", "opening": "Judge.", "closing": ["a", "b"]})))
    assert card.prompt == PromptTemplate(query="{query}", opening=("Judge.",), closing=("a", "b"))


@pytest.mark.parametrize("name", ["no-such-card", "BAAI/bge-reranker-base"])
def test_a_card_that_has_no_prompt_is_named_with_those_that_have_one(directory: str, name: str) -> None:
    with pytest.raises(CatalogError) as raised:
        served_cards(settings(ModelSettings(), asked(directory, name)))
    assert str(raised.value).startswith(f"models[1].prompt: {name!r} is no card with a prompt; there are ")
    assert "Qwen/Qwen3-Reranker-0.6B" in str(raised.value)
    assert "bge-reranker-large" not in str(raised.value)


def test_a_prompt_of_pairs_is_none_for_a_model_that_reads_single_texts() -> None:
    with pytest.raises(CatalogError, match=r"models\[0\].prompt: opening: a prompt of single texts has none"):
        served_cards(settings(asked("embedded", "Qwen/Qwen3-Reranker-0.6B")))


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ({"query": "Query: "}, "models.0.prompt: query: must have the place {query} once; got 'Query: '"),
        ({"query": "{query}", "system": "You"}, "models.0.prompt.system: Unexpected keyword argument; got You"),
        ("", "models.0.prompt: String should have at least 1 character; got "),
    ],
)
def test_a_mistake_in_a_prompt_is_told_as_one_of_what_was_written(prompt: object, said: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Settings.model_validate({"models": [{"prompt": prompt}]})
    assert first_problem(raised.value) == said


def test_one_model_may_be_served_twice_under_ids_that_differ() -> None:
    exact, fast = served_cards(settings(*(ModelSettings(name="embedded", id=name) for name in ("exact", "fast"))))
    assert (exact.id, fast.id, exact.source) == ("exact", "fast", fast.source)


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        ({"name": "embedded"}, {"name": EMBEDDED_MODEL}, EMBEDDED_MODEL.lower()),
        ({"name": "embedded", "aliases": ["Fast"]}, {"name": "BAAI/bge-reranker-base", "id": "FAST"}, "fast"),
        ({"name": "embedded"}, {"name": "BAAI/bge-reranker-base", "id": "embedded"}, "embedded"),
    ],
)
def test_a_name_that_two_served_models_answer_to_is_refused(
    first: dict[str, object], second: dict[str, object], name: str
) -> None:
    models = (ModelSettings.model_validate(first), ModelSettings.model_validate(second))
    with pytest.raises(CatalogError, match=f"two served models are called '{name}'"):
        served_cards(settings(*models))
