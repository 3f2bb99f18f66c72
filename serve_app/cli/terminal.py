"""What every command shares: where it speaks, and options that several have."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from serve_app.domain.model import Precision
from serve_app.settings import EngineSettings

STYLES = {"ok": "green", "warn": "yellow", "wrong": "bold red"}

notices = Console(stderr=True, highlight=False, soft_wrap=True)

MODEL_HELP = "Card id or alias, a model directory, or a hub id."
PRECISION_HELP = f"{EngineSettings.model_fields['precision'].description}"

ModelOption = Annotated[str, typer.Option("--model", "-m", help=MODEL_HELP, show_default=True)]
PrecisionOption = Annotated[Precision, typer.Option(help=PRECISION_HELP)]


def complain(message: str) -> None:
    """Say on standard error what went wrong, in one line, whatever brackets are in it."""
    notices.print(f"rayrank: {message}", markup=False)


def show_judged(level: str, said: str, record: Mapping[str, Any], *, as_json: bool) -> None:
    """One line about what was looked at, in its level's colour at a terminal; or its record as JSON."""
    if as_json:
        typer.echo(json.dumps(record, ensure_ascii=False))
        return
    line = Text.assemble((f"{level:<6}", STYLES[level]), said)
    Console(highlight=False, soft_wrap=True).print(line)
