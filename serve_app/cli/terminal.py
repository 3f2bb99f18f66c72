"""What every command shares: where it speaks, and options that several have."""

from typing import Annotated

import typer
from rich.console import Console

from serve_app.settings import EngineSettings, Precision

notices = Console(stderr=True, highlight=False, soft_wrap=True)

MODEL_HELP = "Card id or alias, a model directory, or a hub id."
PRECISION_HELP = f"{EngineSettings.model_fields['precision'].description}"

ModelOption = Annotated[str, typer.Option("--model", "-m", help=MODEL_HELP, show_default=True)]
PrecisionOption = Annotated[Precision, typer.Option(help=PRECISION_HELP)]


def complain(message: str) -> None:
    """Say on standard error what went wrong, in one line, whatever brackets are in it."""
    notices.print(f"rayrank: {message}", markup=False)
