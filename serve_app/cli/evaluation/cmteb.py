"""`rayrank eval c-mteb`: a model on C-MTEB's reranking sets, against what its card states."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from serve_app.cli.account_options import JsonOption
from serve_app.cli.evaluation.command_line import results_folder
from serve_app.cli.evaluation.run import Evaluated, evaluate_here
from serve_app.cli.evaluation.target import SCORES, KeyOption, ScoresOption, Target, UrlOption
from serve_app.cli.terminal import ModelOption, PrecisionOption, complain, notices
from serve_app.domain.errors import UserError, shown
from serve_app.evaluation.cmteb_sets import MAP, MRR, SETS, TOLERANCE, Check, CmtebSet, check
from serve_app.evaluation.data.read import read_collection
from serve_app.evaluation.faults import Faults

PRODUCTION_MODEL = "BAAI/bge-reranker-base"


def c_mteb(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[FOLDER]", help="Has a folder for each set; left out, the hub is asked.")
    ] = None,
    *,
    model: ModelOption = PRODUCTION_MODEL,
    precision: PrecisionOption = "auto",
    url: UrlOption = None,
    key: KeyOption = None,
    only: Annotated[list[str] | None, typer.Option(help="Only this set; repeat it.")] = None,
    tolerance: Annotated[
        float, typer.Option(min=0, help="Percent points by which a figure may differ from the stated one.")
    ] = TOLERANCE,
    strict: Annotated[bool, typer.Option("--strict", help="End at the first row that cannot be used.")] = False,
    publish: Annotated[bool, typer.Option("--publish", help="Put the figures on the model's page.")] = False,
    scores: ScoresOption = SCORES,
    as_json: JsonOption = False,
) -> None:
    """Measure C-MTEB's sets against the model's card.

    MAP and MRR@10 on its four reranking sets, beside what the card states.

    Exit status 1 where one is further from the stated figure than the tolerance.
    """
    target = Target(model, precision, url, key)
    sets = _wanted(only)
    stated = target.card.evaluation  # before anything is scored, which takes hours
    if folder is not None and (missing := [each.name for each in sets if not (folder / each.name).exists()]):
        raise UserError(f"{folder / missing[0]}: no such folder; --only leaves sets out")
    found: list[Check] = []
    for each in sets:
        outcome = evaluate_here(_asked(each, folder, target, scores, strict=strict))
        if not outcome.after:
            raise UserError(f"{each.name}: no query has both a positive and a negative document")
        found.append(check(each, outcome.after, len(outcome.queries), stated, tolerance))
        if publish:
            from serve_app.evaluation.publish import publish as publish_run

            notices.print(f"published: {publish_run(outcome, results_folder())}", markup=False)
    if as_json or not sys.stdout.isatty():
        for one in found:
            typer.echo(json.dumps(asdict(one) | {"within": one.is_within}))
    else:
        Console(highlight=False).print(_table(found))
    if outside := list(_outside(found)):
        for line in outside:
            complain(line)
        raise typer.Exit(1)


def _wanted(only: list[str] | None) -> list[CmtebSet]:
    by_name = {each.name.lower(): each for each in SETS}
    if unknown := [name for name in only or () if name.lower() not in by_name]:
        raise UserError(f"--only {shown(unknown[0])}: the sets are {', '.join(each.name for each in SETS)}")
    return [by_name[name.lower()] for name in only] if only else list(SETS)


def _asked(of: CmtebSet, folder: Path | None, target: Target, scores: Path, *, strict: bool) -> Evaluated:
    faults = Faults(strict=strict)
    source = of.hub if folder is None else str(folder / of.name)
    collection = read_collection([source], faults=faults, layout="rows", split=of.split)
    for line in faults.lines:
        notices.print(f"{of.name}: {line}", markup=False)
    return Evaluated(collection, target, [], [MAP, MRR], scores, tuple(faults.lines))


def _table(found: list[Check]) -> Table:
    table = Table("data set", "MAP", "stated", "MRR@10", "stated", "", box=None)
    for one in found:
        cells = (f"{one.map:.2f}", _stated(one.stated_map), f"{one.mrr:.2f}", _stated(one.stated_mrr))
        table.add_row(escape(one.dataset), *cells, _verdict(one))
    return table


def _verdict(one: Check) -> str:
    if not one.is_whole:
        return f"{one.queries:,} of {one.of_queries:,} queries"
    return {True: "as stated", False: "DIFFERS", None: ""}[one.is_within]


def _stated(percent: float | None) -> str:
    return "–" if percent is None else f"{percent:.2f}"


def _outside(found: list[Check]) -> Iterator[str]:
    for one in found:
        if one.is_within is False:
            yield (
                f"{one.dataset}: MAP {one.map:.2f}, stated {_stated(one.stated_map)}; MRR {one.mrr:.2f}, "
                f"stated {_stated(one.stated_mrr)}: further off than {one.tolerance:g} points"
            )
