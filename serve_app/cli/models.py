"""`rayrank models`: what the catalogue has."""

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from serve_app.catalog.card import CARD, Card
from serve_app.catalog.catalog import load_catalog


def models(
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a line; the default in a pipe.")] = False,
) -> None:
    """List the catalogue."""
    cards = list(load_catalog())
    if as_json or not sys.stdout.isatty():
        for card in cards:
            typer.echo(CARD.dump_json(card).decode())
        return
    console, table = Console(highlight=False), _table(cards)
    if console.measure(table, options=console.options.update(width=10_000)).maximum <= console.width:
        console.print(table)
        return
    for card in cards:
        # soft_wrap: an id may be longer than a line of the terminal, which then wraps it and cuts nothing.
        console.print(Text(card.id, style="bold"), soft_wrap=True)
        console.print(f"  {_in_words(card)}", soft_wrap=True)


def _table(cards: list[Card]) -> Table:
    table = Table("model", "kind", "tokens", "parameters", "languages", "licence", "$ per 1,000 documents", box=None)
    for card in cards:
        table.add_row(*(Text(cell) for cell in (card.id, *_cells(card))))
    return table


def _in_words(card: Card) -> str:
    kind, tokens, parameters, languages, licence, price = _cells(card)
    cost = price if price == "free" else f"${price} per 1,000 documents"
    return f"{kind}, {tokens} tokens, {parameters}; {languages}; {licence}; {cost}"


def _cells(card: Card) -> tuple[str, ...]:
    """What is told beside the id."""
    return (
        "bi-encoder" if card.embeds else "cross-encoder",
        f"{card.context_length:,}",
        f"{card.parameters / 1e6:,.0f} M",
        ", ".join(card.languages),
        card.license,
        f"{card.pricing.usd:f}" if card.pricing.usd else "free",
    )
