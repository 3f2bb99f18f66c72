"""The `rayrank` command."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from serve_app import __version__
from serve_app.api.dialects.native import shortest
from serve_app.catalog.card import Card
from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import resolve
from serve_app.domain.answer import Ranking
from serve_app.domain.errors import UserError
from serve_app.domain.request import Document, RerankRequest
from serve_app.domain.terms import Terms
from serve_app.launch.config_file import ConfigFile, checked_settings, read_config_file
from serve_app.launch.ingress import Ingress, default_ingress
from serve_app.settings import EMBEDDED_MODEL, EngineSettings, Precision

SHOWN_CHARACTERS = 100  # of a document in the table
DAY_S = 86_400.0
HOST, PORT = "127.0.0.1", 8000

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
notices = Console(stderr=True, highlight=False, soft_wrap=True)

ModelOption = Annotated[
    str, typer.Option("--model", "-m", help="Card id or alias, a model directory, or a hub id.", show_default=True)
]
PRECISIONS = "exact: float32; fast: 16 bits; int8: on CPUs with VNNI; auto: fast on CUDA, exact elsewhere."
PrecisionOption = Annotated[Precision, typer.Option(help=PRECISIONS)]


def main() -> None:
    """Run the command. What a user can mend is one line and exit status 1, never a traceback."""
    try:
        app()
    except UserError as error:
        notices.print(f"rayrank: {error}", markup=False)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rayrank {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True)] = False,
) -> None:
    """Sort documents by relevance to a query: as a service, or here and now."""


@app.command()
def serve(
    *,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help=f"Card id or alias, a model directory, or a hub id. [default: {EMBEDDED_MODEL}]"
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="A Serve config file of deployments/; the options here go before what it says.")
    ] = None,
    host: Annotated[
        str | None, typer.Option(help=f"Address to listen on; 0.0.0.0 for every network. [default: {HOST}]")
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help=f"Port to listen on. [default: {PORT}]")] = None,
    replicas: Annotated[
        int | None, typer.Option(min=1, help="Processes that score, of each model. [default: 1]")
    ] = None,
    precision: Annotated[Precision | None, typer.Option(help=f"{PRECISIONS} [default: auto]")] = None,
    ingress: Annotated[
        Ingress | None, typer.Option(help="The way in: HAProxy is faster and the default where it is installed.")
    ] = None,
) -> None:
    """Serve a model over HTTP on this machine until Ctrl-C, on a Ray cluster of its own."""
    from serve_app.launch.cluster import Address, serve_locally  # slow to import

    if config and model:
        raise UserError(f"--model {model} and --config {config} each say what is served: give one")
    if config:
        file = read_config_file(config)
    else:
        # What the command says of the model goes before the environment's RAYRANK_MODELS.
        arguments = {"models": [{"name": model}]} if model else {}
        file = ConfigFile(checked_settings("environment", arguments), None, None)
    models = file.settings.models
    if replicas:
        models = tuple(served.fixed(replicas) for served in models)
    if precision:
        models = tuple(served.model_copy(update={"precision": precision}) for served in models)
    settings = file.settings.model_copy(update={"models": models})
    address = Address(host or file.host or HOST, port or file.port or PORT)
    serve_locally(settings, address, ingress or default_ingress(), notices)


@app.command()
def models(
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a line; the default in a pipe.")] = False,
) -> None:
    """List the catalogue."""
    cards = list(load_catalog())
    if as_json or not sys.stdout.isatty():
        for card in cards:
            typer.echo(card.model_dump_json())
        return
    table = Table("model", "kind", "tokens", "parameters", "languages", "licence", "$ per 1,000 documents", box=None)
    for card in cards:
        kind = "cross-encoder" if card.head == "classification" else "bi-encoder"
        size = f"{card.parameters / 1e6:.0f} M"
        price = f"{card.pricing.usd:f}" if card.pricing.usd else "free"
        table.add_row(card.id, kind, f"{card.context_length:,}", size, ", ".join(card.languages), card.license, price)
    Console().print(table)


@app.command()
def openapi() -> None:
    """Print the OpenAPI document of the service."""
    from serve_app.api.limits import Limits
    from serve_app.api.routes import build_api
    from serve_app.service.reranker import Reranker

    # What it says depends on neither.
    nothing = Reranker([], tokenizer_threads=1, max_concurrent_requests=1, max_passages=1)
    api = build_api(nothing, Limits(max_body_bytes=1, max_documents=1, request_timeout_s=1.0))
    typer.echo(json.dumps(api.openapi(), indent=2, ensure_ascii=False))


@app.command()
def rank(
    query: Annotated[str, typer.Argument(help="What to rank by.")],
    file: Annotated[Path, typer.Argument(help="Documents: one a line, or JSONL with a text; - for standard input.")],
    *,
    model: ModelOption = EMBEDDED_MODEL,
    precision: PrecisionOption = "auto",
    top: Annotated[int | None, typer.Option("--top", "-n", min=1, help="Show only the best so many.")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="The model's own scores in place of 0 to 1.")] = False,
) -> None:
    """Rank a file's documents here, without a server: a table on a terminal, JSONL in a pipe."""
    if not query.strip():
        raise UserError("the query must not be empty or blank")
    documents = read_documents(file)
    card = resolve(model, load_catalog())
    request = RerankRequest(card.id, query, documents, top_n=top, raw_scores=raw)
    ranking = asyncio.run(_rank(card, EngineSettings(precision=precision), request))
    if sys.stdout.isatty():
        table = Table("score", "index", "document", box=None)
        for result in ranking.results:
            text = " ".join(documents[result.index].text.split())
            shown = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
            table.add_row(f"{result.relevance_score:.4f}", str(result.index), escape(shown))
        Console(highlight=False).print(table)
        return
    for result in ranking.results:
        document = documents[result.index]
        line = {"index": result.index, "relevance_score": shortest(result.relevance_score)}
        typer.echo(json.dumps(line | dict(document.source or {"text": document.text}), ensure_ascii=False))


async def _rank(card: Card, engine: EngineSettings, request: RerankRequest) -> Ranking:
    # Torch takes seconds to import.
    from serve_app.service.in_process import load_reranker

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notices, transient=True) as progress:
        task = progress.add_task(f"loading {card.id}", total=None)
        reranker = load_reranker(card, engine, scored=lambda passages: progress.advance(task, passages))
        distinct = len({document.text for document in request.documents})
        progress.update(task, description="scoring", total=distinct, completed=0)
        return await reranker.rank(request, Terms(timeout_s=DAY_S))


def read_documents(file: Path) -> list[Document]:
    """The documents of a file: JSONL when its first line is a JSON object, else one a line, blank lines left out.

    Raises UserError naming file and line.
    """
    name = "standard input" if str(file) == "-" else str(file)
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        lines = content.decode("utf-8").splitlines()
    except OSError as error:
        raise UserError(f"{name}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: not UTF-8: {error.reason} at byte {error.start}") from None
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not numbered:
        raise UserError(f"{name}: no documents in it")
    if not numbered[0][1].lstrip().startswith("{"):
        return [Document(line) for _, line in numbered]
    return [_json_document(f"{name}, line {number}", line) for number, line in numbered]


def _json_document(place: str, line: str) -> Document:
    try:
        source = json.loads(line)
    except ValueError as error:
        raise UserError(f"{place}: not valid JSON: {error}") from None
    if not isinstance(source, dict) or not isinstance(source.get("text"), str):
        raise UserError(f'{place}: an object with a string "text" is needed')
    return Document(source["text"], source)
