"""`rayrank eval precision`: what less precision changes in a model's rankings."""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from serve_app.catalog.card import Card
from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import resolve
from serve_app.catalog.measured import add_precision_check
from serve_app.cli.account_options import JsonOption
from serve_app.cli.evaluation.column_option import ColumnOption, named_columns
from serve_app.cli.evaluation.command_line import command_line, now, results_folder
from serve_app.cli.evaluation.progress import watched
from serve_app.cli.interrupt import ended_at_once
from serve_app.cli.terminal import ModelOption, complain, notices
from serve_app.domain.errors import UserError, shown
from serve_app.domain.measured import PrecisionCheck
from serve_app.domain.model import Precision
from serve_app.evaluation.collection import Collection
from serve_app.evaluation.data.read import read_collection
from serve_app.evaluation.faults import Faults
from serve_app.evaluation.precision import LOWER, Checked, check_precisions
from serve_app.evaluation.wordnet.definitions import definitions
from serve_app.settings import EMBEDDED_MODEL, EngineSettings

MEASURES = ("nDCG@10", "MRR@10")


def precision(
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DATA…]", help="As of `rayrank eval`; left out, texts that come with rayrank."),
    ] = None,
    *,
    model: ModelOption = EMBEDDED_MODEL,
    precisions: Annotated[
        str, typer.Option("--precision", metavar="NAME[,NAME…]", help="Those that are compared with exact.")
    ] = "fast,int8",
    columns: ColumnOption = None,
    queries: Annotated[int | None, typer.Option(min=1, help="Only so many queries, drawn the same every time.")] = None,
    keep: Annotated[bool, typer.Option(help="Show the figures in /v1/models and on the model's page.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Say how far less precision changes the order.

    Real text is ranked in float32 and in less, and both orders are compared.

    A precision that this machine lacks is said and left out. Exit status 1 where none is left.
    """
    names = _named(precisions)
    card, faults = resolve(model, load_catalog()), Faults()
    collection = read_collection(sources, faults=faults, columns=named_columns(columns)) if sources else definitions()
    for line in faults.lines:
        notices.print(line, markup=False)
    checked = _checked(card, collection, names, queries)
    for each in checked:
        if each.check is None:
            complain(f"{each.asked}: {each.refusal}")
    found = [each.check for each in checked if each.check is not None]
    if not found:
        raise typer.Exit(1)
    if keep:
        for check in found:
            place = add_precision_check(results_folder(), card.id, check)
        notices.print(f"kept: {place}", markup=False)
    if as_json or not sys.stdout.isatty():
        for check in found:
            typer.echo(json.dumps({"model": card.id} | asdict(check), default=str))
        return
    console = Console(highlight=False)
    console.print(f"{escape(card.id)} on {escape(collection.name)}, against float32", soft_wrap=True)
    console.print(_table(found))


def _named(names: str) -> list[Precision]:
    """The precisions of the option. Raises UserError for another name."""
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    found = [name for name in LOWER if name in wanted]
    if unknown := [name for name in wanted if name not in LOWER]:
        raise UserError(f"--precision {shown(unknown[0])}: those below exact are {', '.join(LOWER)}")
    if not found:
        raise UserError(f"--precision takes some of {', '.join(LOWER)}; got {shown(names)}")
    return found


def _checked(card: Card, collection: Collection, precisions: Sequence[Precision], queries: int | None) -> list[Checked]:
    from serve_app.evaluation.in_process import engine_scorer

    with ended_at_once(), watched("loading exact") as watch:
        return asyncio.run(
            check_precisions(
                collection,
                lambda name: engine_scorer(card, EngineSettings(precision=name)),
                precisions,
                measures=MEASURES,
                command=command_line(),
                at=now(),
                most_queries=queries,
                watch=lambda name, done, of: watch(done, of, name),
            )
        )


def _table(found: list[PrecisionCheck]) -> Table:
    """A column for each precision, so that three have room beside each other."""
    table = Table("", *(check.precision for check in found), box=None)
    table.add_row("same first", *(f"{check.top_1:.1%}" for check in found))
    table.add_row("same top 10", *(f"{check.top_10:.1%}" for check in found))
    table.add_row("rank correlation", *(f"{check.rank_correlation:.5f}" for check in found))
    for name in MEASURES:
        changes = [check.changes.get(name) for check in found]
        if any(changes):
            table.add_row(f"change of {name}", *(f"{change.mean:+.4f}" if change else "" for change in changes))
            spans = (f"{change.low:+.4f} to {change.high:+.4f}" if change else "" for change in changes)
            table.add_row("  95 % interval", *spans)
    table.add_row("pairs", *(f"{check.pairs:,}" for check in found))
    return table
