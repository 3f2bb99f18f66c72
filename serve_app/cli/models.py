"""`rayrank models`: what the catalogue has."""

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

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
    table = Table("model", "kind", "tokens", "parameters", "languages", "licence", "$ per 1,000 documents", box=None)
    for card in cards:
        table.add_row(*_cells(card))
    Console().print(table)


def _cells(card: Card) -> tuple[str, ...]:
    return (
        card.id,
        "bi-encoder" if card.embeds else "cross-encoder",
        f"{card.context_length:,}",
        f"{card.parameters / 1e6:.0f} M",
        ", ".join(card.languages),
        card.license,
        f"{card.pricing.usd:f}" if card.pricing.usd else "free",
    )
