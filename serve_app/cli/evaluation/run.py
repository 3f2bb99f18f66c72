"""`rayrank eval DATA`: one model on one data set."""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from serve_app.cli.account_options import JsonOption
from serve_app.cli.evaluation.column_option import ColumnOption, named_columns
from serve_app.cli.evaluation.command_line import command_line, now, results_folder
from serve_app.cli.evaluation.progress import Watch, watched
from serve_app.cli.evaluation.target import SCORES, EvaluatedOption, KeyOption, ScoresOption, Target, UrlOption
from serve_app.cli.instruction_option import InstructionOption, named_instruction
from serve_app.cli.interrupt import ended_at_once
from serve_app.cli.terminal import PrecisionOption, notices
from serve_app.domain.errors import UserError
from serve_app.evaluation.collection import Collection
from serve_app.evaluation.data.narrow import sample_queries
from serve_app.evaluation.data.read import Layout, read_collection
from serve_app.evaluation.depths import TIMED_QUERIES
from serve_app.evaluation.faults import Faults
from serve_app.evaluation.metrics import DEFAULT_MEASURES, measure
from serve_app.evaluation.outcome import Outcome
from serve_app.settings import EMBEDDED_MODEL

FirstStage = Literal["bm25", "embedding"]

DEPTH = 100  # candidates of a first stage that are reranked
MOST_SOURCES = 3


def run(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="DATA…",
            help="A folder or file of a data set, a hub id, or ir_datasets:NAME; or files of your own: QUERIES "
            "DOCUMENTS [JUDGEMENTS], where DOCUMENTS may be a folder of texts.",
        ),
    ],
    *,
    model: EvaluatedOption = None,
    precision: PrecisionOption = "auto",
    instruction: InstructionOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    first: Annotated[
        FirstStage | None, typer.Option(help="Find the candidates by words (bm25) or by vectors (embedding).")
    ] = None,
    first_model: Annotated[str, typer.Option(help="The model of --first embedding.")] = EMBEDDED_MODEL,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="K[,K…]",
            help=f"How many candidates of each query are reranked. [default: {DEPTH} of a first stage]",
        ),
    ] = None,
    measures: Annotated[
        list[str] | None,
        typer.Option(
            "--measure", help=f"nDCG@k, MAP, MRR@k, Recall@k, …; repeat it. [default: {', '.join(DEFAULT_MEASURES)}]"
        ),
    ] = None,
    layout: Annotated[Layout, typer.Option(help="How the data lies; auto: recognised.")] = "auto",
    split: Annotated[str | None, typer.Option(help="Of a data set that has several.")] = None,
    columns: ColumnOption = None,
    candidates: Annotated[
        Path | None, typer.Option(help="A TREC run: the candidates of each query, best first.")
    ] = None,
    queries: Annotated[int | None, typer.Option(min=1, help="Only so many queries, drawn the same every time.")] = None,
    timed: Annotated[
        int, typer.Option(min=0, help="Queries that are asked once more at each K, alone, for the time that it takes.")
    ] = TIMED_QUERIES,
    strict: Annotated[bool, typer.Option("--strict", help="End at the first row that cannot be used.")] = False,
    worst: Annotated[int, typer.Option(min=0, help="Show so many of the queries that did worst.")] = 3,
    report: Annotated[Path | None, typer.Option(help="Write a report with plots: one HTML file.")] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Write a CSV of pairs to judge by hand; give it as JUDGEMENTS next.")
    ] = None,
    save: Annotated[Path | None, typer.Option(help="Write the run as JSON, for `rayrank eval compare`.")] = None,
    trec: Annotated[Path | None, typer.Option(help="Write the reranked order as a TREC run.")] = None,
    publish: Annotated[bool, typer.Option("--publish", help="Put the figures on the model's page.")] = False,
    scores: ScoresOption = SCORES,
    as_json: JsonOption = False,
) -> None:
    """Rank a data set, and say how well: before and after.

    Every figure has its interval. The name `run` may be left out: `rayrank eval DATA`.

    Scores are kept: the same command again costs nothing, and one that was stopped goes on where it was.
    """
    if len(sources) > MOST_SOURCES:
        raise UserError(f"{MOST_SOURCES} sources at most: QUERIES DOCUMENTS JUDGEMENTS; got {len(sources)}")
    target = Target(model, precision, url, key, named_instruction(instruction))
    depths = _depths(at)
    _require_room([path for path in (report, sheet, save, trec) if path is not None], sheet)
    names = list(dict.fromkeys(measure(name).name for name in measures or DEFAULT_MEASURES))
    faults = Faults(strict=strict)
    collection = read_collection(
        sources, faults=faults, layout=layout, split=split, candidates=candidates, columns=named_columns(columns)
    )
    if queries is not None:
        collection = sample_queries(collection, queries, faults)
    for line in faults.lines:
        notices.print(line, markup=False)
    if publish and queries is not None:
        raise UserError("--publish is of a whole data set: leave --queries out")
    if publish and instruction is not None:
        raise UserError("--publish is of a model as it is served: leave --instruction out")
    if publish and not collection.answerable:
        raise UserError(f"{collection.name}: no query has a relevant document, so there is no quality to publish")
    if first is not None and collection.first_stage:
        raise UserError(f"the data has candidates already, by {collection.first_stage}: leave --first out")
    if first is None and collection.candidates is None:
        first = "bm25"
        notices.print("the data has no candidates to rerank: they are found by BM25; --first chooses")
    if first is not None:
        collection = find_candidates(collection, first, first_model, max(depths or [DEPTH]))
    found = evaluate_here(Evaluated(collection, target, depths, names, scores, tuple(faults.lines), timed))
    if as_json or not sys.stdout.isatty():
        from serve_app.evaluation.record import summary

        typer.echo(json.dumps(summary(found), ensure_ascii=False))
    else:
        from serve_app.cli.evaluation.table import show_outcome

        show_outcome(found, already_told=faults.lines, worst_queries=worst)
    _write(found, report=report, sheet=sheet, save=save, trec=trec, publish=publish)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What is evaluated, and how.

    depths: empty for all candidates, or the default of a first stage. timed: queries that are asked again for time.
    """

    collection: Collection
    target: Target
    depths: Sequence[int]
    measures: Sequence[str]
    scores: Path
    remarks: Sequence[str]
    timed: int = TIMED_QUERIES


def evaluate_here(asked: Evaluated) -> Outcome:
    """Score what is not kept, and say how well it ranks. Raises UserError."""
    collection = asked.collection
    depths = asked.depths or ([DEPTH] if collection.first_stage else [])
    with ended_at_once(), watched(f"opening {asked.target.url or asked.target.model or EMBEDDED_MODEL}") as watch:
        return asyncio.run(_evaluate(asked, depths, watch))


async def _evaluate(asked: Evaluated, depths: Sequence[int], watch: Watch) -> Outcome:
    from serve_app.evaluation.evaluate import evaluate
    from serve_app.evaluation.kept import KeptScores

    async with asked.target.scorer() as scorer:
        return await evaluate(
            asked.collection,
            scorer,
            ks=depths,
            measures=asked.measures,
            kept=KeptScores.open(asked.scores, scorer.facts),
            command=command_line(),
            at=now(),
            remarks=asked.remarks,
            timed_queries=asked.timed,
            watch=lambda done, total: watch(done, total, "scoring"),
        )


def find_candidates(collection: Collection, first: FirstStage, model: str, k: int) -> Collection:
    """The collection with the k best candidates of each query by a first stage. Raises UserError."""
    from serve_app.evaluation.first_stage import bm25, by_embedding

    with watched(f"searching by {first}") as watch:
        if first == "bm25":
            return bm25(collection, k, watch=watch)
        with ended_at_once():
            return asyncio.run(by_embedding(collection, Target(model).card, k, watch=watch))


def _require_room(outputs: Sequence[Path], sheet: Path | None) -> None:
    """Raise UserError, before anything is scored or paid, where a file cannot be written."""
    for path in outputs:
        if outputs.count(path) > 1:
            raise UserError(f"{path} is to be two files at once: name another one")
        if path.is_dir():
            raise UserError(f"cannot write {path}: Is a directory")
        if not path.parent.is_dir():
            raise UserError(f"cannot write {path}: there is no folder {path.parent}")
    if sheet is not None and sheet.exists():
        from serve_app.evaluation.judging import read_sheet

        read_sheet(sheet)


def _depths(text: str | None) -> list[int]:
    """The numbers of --at. Raises UserError."""
    try:
        depths = [int(part) for part in (text or "").split(",") if part.strip()]
    except ValueError:
        depths = [0]
    if any(depth < 1 for depth in depths) or (text is not None and not depths):
        raise UserError(f"--at takes whole numbers above 0, such as 10,50,100; got {text!r}")
    return depths


def _write(
    found: Outcome, *, report: Path | None, sheet: Path | None, save: Path | None, trec: Path | None, publish: bool
) -> None:
    """Write what was asked for, and say where."""
    if save is not None:
        from serve_app.evaluation.record import save as save_run

        save_run(found, save)
        notices.print(f"the run: {save}", markup=False)
    if trec is not None:
        from serve_app.evaluation.record import write_trec

        write_trec(found, trec)
        notices.print(f"the order: {trec}", markup=False)
    if report is not None:
        from serve_app.evaluation.report.page import write_report

        write_report(found, report, sheet.name if sheet else "")
        notices.print(f"the report: {report}", markup=False)
    if sheet is not None:
        from serve_app.evaluation.judging import write_sheet

        left = write_sheet(found, sheet)
        notices.print(f"pairs to judge: {left:,}, in {sheet}", markup=False)
    if publish:
        from serve_app.evaluation.publish import publish as publish_run

        notices.print(f"published: {publish_run(found, results_folder())}", markup=False)
