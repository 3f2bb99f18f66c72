from decimal import Decimal
from pathlib import Path

import pytest

from serve_app.catalog.card import Card, Source
from serve_app.catalog.catalog import CARDS, Catalog, CatalogError, load_card, load_catalog
from serve_app.catalog.location import locate
from serve_app.domain.model import StatedThroughput
from serve_app.engine.weights import Weights

CARD = """
id = "org/model"
aliases = ["short"]
summary = "A model."
architecture = "BERT"
head = "classification"
context_length = 512
parameters = 1_000
[source]
hub = "org/model"
"""


def written(directory: Path, text: str, name: str = "card.toml") -> Path:
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return path


# Whose revision no public source tells: the newest is looked up at each start.
NOT_PINNED = {"tomaarsen/Qwen3-Reranker-4B-seq-cls", "tomaarsen/Qwen3-Reranker-8B-seq-cls"}


@pytest.mark.parametrize("path", sorted(CARDS.glob("*.toml")), ids=lambda path: path.stem)
def test_a_shipped_card_is_valid_and_pinned(path: Path) -> None:
    card = load_card(path)
    assert bool(card.source.revision or card.source.sha256) == (card.id not in NOT_PINNED)


def test_a_name_is_found_without_regard_to_case() -> None:
    catalog = load_catalog()
    for card in catalog:
        for name in (card.id, *card.aliases):
            assert catalog.find(name.upper()) is catalog.find(name.lower()) is card


def test_a_name_that_two_cards_claim_is_refused(tmp_path: Path) -> None:
    written(tmp_path, CARD, "a.toml")
    written(tmp_path, CARD.replace('id = "org/model"', 'id = "org/other"').replace("short", "SHORT"), "b.toml")
    with pytest.raises(CatalogError, match="'SHORT' names both org/model and org/other"):
        load_catalog(tmp_path)


def test_a_name_that_one_card_claims_twice_is_no_harm(tmp_path: Path) -> None:
    card = load_card(written(tmp_path, CARD.replace("short", "ORG/model")))
    assert Catalog([card]).find("org/MODEL") is card


@pytest.mark.parametrize(
    ("wrong", "right", "field"),
    [
        ("parameters = 0", "parameters = 1_000", "parameters"),
        ("context_length = 5", "context_length = 512", "context_length"),
        ('head = "generation"', 'head = "classification"', "head"),
        ("", 'summary = "A model."', "summary"),
        ('colour = "red"\nsummary = "A model."', 'summary = "A model."', "colour"),
        ('hub = "org/model"\nrevision = "main"', 'hub = "org/model"', "source.revision"),
        ('hub = "org/model"\npackage = "models"', 'hub = "org/model"', "source"),
        ("", 'hub = "org/model"', "source"),
        ('id = ""', 'id = "org/model"', "id"),
        ('aliases = [""]', 'aliases = ["short"]', "aliases"),
        ('published = "soon"', 'aliases = ["short"]', "published"),
        ('updated = "June 2024"', 'aliases = ["short"]', "updated"),
        ('updated = "2024-13"', 'aliases = ["short"]', "updated"),
        ('about = "1\\n\\n2\\n \\n3\\n\\n4"', 'aliases = ["short"]', "about"),
        ('best_for = ["search", "more search"]', 'aliases = ["short"]', "best_for"),
        ('not_for = ["a", "b", "c", "d"]', 'aliases = ["short"]', "not_for"),
        ("measured = []", 'aliases = ["short"]', "measured"),
        ("fewest_dimensions = 32", 'aliases = ["short"]', "fewest_dimensions"),
        ('head = "embedding"\nfewest_dimensions = 0', 'head = "classification"', "fewest_dimensions"),
        ('not_for = [" "]', 'aliases = ["short"]', "not_for"),
        *[
            (f'hub = "org/model"\n{table}', 'hub = "org/model"', field)
            for table, field in [
                ('[pricing]\nusd = "0.0000001"', "pricing.usd"),
                ('[pricing]\nusd = "-1"', "pricing.usd"),
                ('[pricing]\nusd = "NaN"', "pricing.usd"),
                ("[pricing]\nusd = 1_000_000", "pricing.usd"),
                ('[pricing]\ntokens_usd = "0.0001"', "pricing.tokens_usd"),
                ('[pricing]\nusd = "1"\nbatch_usd = "0.0000001"', "pricing.batch_usd"),
                ('[pricing]\ntokens_usd = "1"\nbatch_tokens_usd = "0.0001"', "pricing.batch_tokens_usd"),
                ('[pricing]\nusd = "1"\nbatch_usd = "1.1"', "pricing"),
                ('[pricing]\nunit = "document"', "pricing.unit"),
                ('[pricing]\neur = "1"', "pricing.eur"),
                ('[[evaluation]]\ndataset = "nfcorpus"\nmap = 30\nmrr = 50\nndcg = 40', "evaluation.0.ndcg"),
                ('[[evaluation]]\ndataset = "nfcorpus"\nmrr = 30', "evaluation.0.map"),
                ("[stated_throughput]\ndocuments_per_s = 532", "stated_throughput.source"),
                ('[stated_throughput]\ndocuments_per_s = 532\nsource = " "', "stated_throughput"),
                ('[stated_throughput]\ndocuments_per_s = inf\nsource = "hearsay"', "stated_throughput"),
            ]
        ],
    ],
)
def test_a_wrong_field_is_named_with_its_file(tmp_path: Path, wrong: str, right: str, field: str) -> None:
    with pytest.raises(CatalogError) as raised:
        load_card(written(tmp_path, CARD.replace(right, wrong)))
    assert str(raised.value).startswith(f"card.toml: {field}: ")
    assert "Value error" not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            'published = 2024-06-01\nupdated = "2024-05"',
            r"updated \(2024-05\) must not be before published \(2024-06-01\)",
        ),
        ('evaluation = [{dataset = "nfcorpus", map = 30}]', "evaluation_source must say where"),
    ],
)
def test_facts_that_do_not_go_together_are_refused(tmp_path: Path, wrong: str, said: str) -> None:
    with pytest.raises(CatalogError, match=said):
        load_card(written(tmp_path, CARD.replace('summary = "A model."', f'summary = "A model."\n{wrong}')))


@pytest.mark.parametrize("card", load_catalog(), ids=lambda card: card.id)
def test_a_shipped_card_says_what_a_person_wants_to_know(card: Card) -> None:
    assert 1 <= len(card.paragraphs) <= 3
    assert card.best_for
    assert card.not_for
    assert card.homepage == f"https://huggingface.co/{card.id}"


def test_the_production_model_has_the_figures_that_are_published_of_it() -> None:
    card = load_catalog().find("BAAI/bge-reranker-base")
    assert card is not None
    assert (f"{card.published:%Y-%m}", card.updated) == ("2023-09", "2024-06")
    assert card.stated_throughput == StatedThroughput(532, "stated by the hosted service that offers this model")
    assert {each.dataset: (each.map, each.mrr) for each in card.evaluation} == {
        "CMedQAv1-reranking": (81.27, 84.14),
        "CMedQAv2-reranking": (84.10, 86.79),
        "Mmarco-reranking": (35.46, 34.60),
        "T2Reranking": (67.28, 77.13),
    }


def test_a_vector_may_be_cut_only_where_its_model_was_trained_for_that() -> None:
    told = {card.id: card.fewest_dimensions for card in load_catalog() if card.fewest_dimensions}
    assert told == {"Qwen/Qwen3-Embedding-0.6B": 32}


def test_paragraphs_are_apart_by_a_blank_line_and_on_one_line_each(tmp_path: Path) -> None:
    text = 'about = """\nReads\nboth.\n  \n\nGives a score.\n"""\n'
    assert load_card(written(tmp_path, text + CARD)).paragraphs == ("Reads both.", "Gives a score.")


def test_the_finest_price_that_can_be_billed_is_accepted(tmp_path: Path) -> None:
    priced = CARD + '[pricing]\nusd = "0.000001"\ntokens_usd = "0.001"\n'
    assert load_card(written(tmp_path, priced)).pricing.usd == Decimal("0.000001")


@pytest.mark.parametrize("content", [b"id = ", b"\xff\xfe", b"id = 'a'\nid = 'b'"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "card.toml"
    path.write_bytes(content)
    with pytest.raises(CatalogError, match=r"card\.toml: not valid TOML") as raised:
        load_card(path)
    assert "\n" not in str(raised.value)


def test_the_embedded_models_weights_have_the_pinned_digest() -> None:
    card = load_catalog().find("embedded")
    assert card is not None
    assert Weights(locate(card.source), card.source.sha256)


def test_a_package_that_is_not_installed_is_named() -> None:
    with pytest.raises(CatalogError, match="the package no_such_package is not installed"):
        locate(Source(package="no_such_package"))


def test_a_directory_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="gone: no such directory"):
        locate(Source(path=tmp_path / "gone"))
