"""`rayrank rank`: a file's documents by relevance, here and now."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from serve_app.catalog.card import Card
from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import resolve
from serve_app.cli.document_formats import Format
from serve_app.cli.documents import read_documents
from serve_app.cli.instruction_option import InstructionOption, named_instruction
from serve_app.cli.interrupt import ended_at_once
from serve_app.cli.terminal import ModelOption, PrecisionOption, notices
from serve_app.domain.answer import RankedDocument, Ranking
from serve_app.domain.errors import ServiceError, UserError
from serve_app.domain.float32 import shortest
from serve_app.domain.request import Document, RerankRequest
from serve_app.domain.terms import Terms
from serve_app.domain.text_files import require_unicode
from serve_app.settings import EMBEDDED_MODEL, EngineSettings

SHOWN_CHARACTERS = 100  # of a document in the table
DAY_S = 86_400.0


def rank(
    query: Annotated[str, typer.Argument(help="What to rank by.")],
    file: Annotated[Path, typer.Argument(help="Documents; - for standard input.")],
    *,
    model: ModelOption = EMBEDDED_MODEL,
    precision: PrecisionOption = "auto",
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            help="What the file holds: a document a line, JSON objects or texts a line, a JSON list, or a table with a "
            "header. auto: by its name, or by what it begins with.",
        ),
    ] = "auto",
    column: Annotated[
        str | None, typer.Option("--column", "-c", help="The table's column or JSON's field with the text.")
    ] = None,
    top: Annotated[int | None, typer.Option("--top", "-n", min=1, help="Show only this many, the best.")] = None,
    instruction: InstructionOption = None,
    raw: Annotated[bool, typer.Option("--raw", help="The model's own scores in place of 0 to 1.")] = False,
) -> None:
    """Rank a file's documents here, without a server: a table on a terminal, JSONL in a pipe."""
    if not query.strip():
        raise UserError("the query must not be empty or blank")
    require_unicode(query, "the query")
    told = named_instruction(instruction)
    documents = read_documents(file, form, column)
    card = resolve(model, load_catalog())
    request = RerankRequest(card.id, query, documents, top_n=top, raw_scores=raw, instruction=told)
    try:
        with ended_at_once():  # a step of the engine's thread is not waited for
            ranking = asyncio.run(_rank(card, EngineSettings(precision=precision), request))
    except ServiceError as error:
        raise UserError(error.message) from None
    if sys.stdout.isatty():
        Console(highlight=False).print(_table(ranking.results, documents))
        return
    for result in ranking.results:
        typer.echo(_line(result, documents[result.index]))


async def _rank(card: Card, engine: EngineSettings, request: RerankRequest) -> Ranking:
    from serve_app.service.in_process import load, served_here  # torch takes seconds to import

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notices, transient=True, disable=not notices.is_terminal) as progress:
        task = progress.add_task(f"loading {card.id}", total=None)
        model = load(card, engine)
        distinct = len({document.text for document in request.documents})
        progress.update(task, description="scoring", total=distinct)
        async with served_here(model, scored=lambda passages: progress.advance(task, passages)) as reranker:
            return await reranker.ask(request, Terms(timeout_s=DAY_S))


def _table(results: Sequence[RankedDocument], documents: Sequence[Document]) -> Table:
    table = Table("score", "index", "document", box=None)
    for result in results:
        text = " ".join(documents[result.index].text.split())
        shown = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
        table.add_row(f"{result.relevance_score:.4f}", str(result.index), escape(shown))
    return table


def _line(result: RankedDocument, document: Document) -> str:
    """One result as JSON: its index, its score, and the document's own fields."""
    found = {"index": result.index, "relevance_score": shortest(result.relevance_score)}
    return json.dumps(found | dict(document.source or {"text": document.text}), ensure_ascii=False)
