"""`rayrank eval compare`: whether one saved run is better than another."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from serve_app.cli.account_options import JsonOption
from serve_app.domain.errors import UserError, shown
from serve_app.evaluation.outcome import Difference
from serve_app.evaluation.paired import difference
from serve_app.evaluation.record import SavedRun, load_saved

SavedFile = Annotated[Path, typer.Argument(help="What `rayrank eval … --save FILE` wrote.")]


def compare(first: SavedFile, second: SavedFile, *, as_json: JsonOption = False) -> None:
    """Test two saved runs on the same data.

    The test is paired, over the queries of both.
    """
    one, other = load_saved(first), load_saved(second)
    _require_same_data(one, other)
    found = {
        name: difference(one.values[name], other.values[name])
        for name in one.values
        if one.values[name] and other.values.get(name)
    }
    if not found:
        raise UserError(f"{first} and {second} have no measure in common")
    if as_json or not sys.stdout.isatty():
        record = {
            "dataset": one.dataset,
            "first": one.model,
            "first_precision": one.precision,
            "first_instruction": one.instruction,
            "second": other.model,
            "second_precision": other.precision,
            "second_instruction": other.instruction,
        }
        differences = {name: asdict(change) for name, change in found.items()}
        typer.echo(json.dumps(record | {"change": differences}, ensure_ascii=False))
        return
    console = Console(highlight=False)
    for place, run in (("first", one), ("second", other)):
        console.print(f"{place}: {escape(_named(run))}", soft_wrap=True)
    console.print(_table(one, other, found))


def _require_same_data(one: SavedRun, other: SavedRun) -> None:
    if one.dataset != other.dataset:
        raise UserError(f"{one.path} is of {one.dataset}, {other.path} of {other.dataset}: there is nothing to compare")
    if one.data != other.data:
        raise UserError(
            f"{one.path} and {other.path} have other queries or judgements, though both are of {one.dataset}"
        )
    for name, values in one.values.items():
        theirs = other.values.get(name, values)
        if missing := sorted(values.keys() ^ theirs.keys()):
            raise UserError(
                f"{one.path} and {other.path} do not have the same queries: {len(missing):,} are in one alone, "
                f"such as {missing[0]!r}"
            )


def _named(run: SavedRun) -> str:
    told = f"told {shown(run.instruction)}" if run.instruction else ""
    return f"{', '.join(filter(None, (run.model, run.precision, told)))} ({run.path})"


def _table(one: SavedRun, other: SavedRun, found: dict[str, Difference]) -> Table:
    table = Table("measure", "first", "second", "change", "95 % interval", "p", "better", "worse", box=None)
    for name, change in found.items():
        interval = f"{change.low:+.4f} to {change.high:+.4f}"
        means = (f"{fmean(run.values[name].values()):.4f}" for run in (one, other))
        cells = (
            *means,
            f"{change.mean:+.4f}",
            interval,
            f"{change.p_value:.2g}",
            f"{change.better:,}",
            f"{change.worse:,}",
        )
        table.add_row(name, *cells)
    return table
