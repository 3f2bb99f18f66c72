"""The README's "Which model?" says what the cards say."""

from decimal import Decimal
from pathlib import Path

from serve_app.catalog.card import Card
from serve_app.catalog.catalog import load_catalog
from serve_app.web.languages import MANY, languages

SECTION = (Path(__file__).parents[2] / "README.md").read_text().partition("## Which model?")[2].partition("\n<!--")[0]
MEASURE = "BAAI/bge-reranker-base"


def price(usd: Decimal) -> str:
    return f"{usd.normalize():f}"


def size(parameters: int) -> str:
    return f"{parameters / 1e9:.3g} B" if parameters >= 1e9 else f"{parameters / 1e6:.3g} M"


def row(card: Card, measure: Decimal) -> str:
    speed = f"{measure / card.pricing.usd:.2g}"
    cells = [
        f"[{card.id}]({card.homepage})",
        "many" if card.languages == (MANY,) else languages(card.languages),
        size(card.parameters),
        f"{card.context_length:,} tokens",
        f"× {speed}",
        card.license,
        f"{price(card.pricing.usd)}, {price(card.pricing.usd_in('batch'))}",
    ]
    return f"| {' | '.join(cells)} |"


def test_the_table_has_each_card_with_its_facts() -> None:
    cards = list(load_catalog())
    (measure,) = [card.pricing.usd for card in cards if card.id == MEASURE]
    expected = [row(card, measure) for card in cards]
    assert [line for line in SECTION.splitlines() if line.startswith("| [")] == expected


def test_what_a_busy_replica_earns_is_computed_from_the_price() -> None:
    (usd,) = [card.pricing.usd for card in load_catalog() if card.id == MEASURE]
    assert f"bge-reranker-base at 75 a second, ${Decimal('3.6') * 75 * usd:.2f}" in SECTION
