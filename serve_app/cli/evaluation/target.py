"""Who is asked for scores: a model in this process, or one that a server serves."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from serve_app.catalog.card import Card
from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import resolve
from serve_app.cli.terminal import MODEL_HELP
from serve_app.domain.errors import UserError
from serve_app.domain.model import Precision
from serve_app.domain.request import Instruction
from serve_app.evaluation.scorer import Scorer
from serve_app.settings import EMBEDDED_MODEL, EngineSettings

KEY_VARIABLE = "RAYRANK_KEY"

ScoresOption = Annotated[
    Path, typer.Option("--scores", help="Folder where scores are kept, so that none is paid twice.")
]
UrlOption = Annotated[
    str | None, typer.Option(help="Ask the server at this address, such as http://127.0.0.1:8000, and pay its price.")
]
KeyOption = Annotated[str | None, typer.Option(help=f"API key for --url. [env var: {KEY_VARIABLE}]")]
EvaluatedOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help=f"{MODEL_HELP} With --url, what the server calls it. [default: {EMBEDDED_MODEL}, or the server's]",
    ),
]

SCORES = Path(".rayrank/scores")


@dataclass(frozen=True, slots=True)
class Target:
    """A model and where it is.

    model: None for the embedded one, or with a URL for the server's default. key: None for the environment's.
    instruction: what the model is told for each query, None for its own.
    """

    model: str | None
    precision: Precision = "auto"
    url: str | None = None
    key: str | None = None
    instruction: Instruction | None = None

    def __post_init__(self) -> None:
        """Raises UserError for options that do not go together."""
        if self.url is None and self.key is not None:
            raise UserError("--key is for a server: give its address with --url")
        if self.url is not None and self.precision != "auto":
            raise UserError("--precision is the server's own with --url")

    @property
    def card(self) -> Card:
        """The card of a model in this process."""
        return resolve(self.model or EMBEDDED_MODEL, load_catalog())

    @asynccontextmanager
    async def scorer(self, scored: Callable[[int], object] = lambda _: None) -> AsyncIterator[Scorer]:
        """Who scores. scored: told the number of passages after each part of the work, in this process."""
        if self.url is not None:
            from serve_app.evaluation.over_http import served_scorer

            key = self.key or os.environ.get(KEY_VARIABLE) or None
            told = None if self.instruction is None else self.instruction.text
            async with served_scorer(self.url, key, self.model, instruction=told) as served:
                yield served
            return
        from serve_app.evaluation.in_process import engine_scorer

        engine = EngineSettings(precision=self.precision)
        async with engine_scorer(self.card, engine, scored, instruction=self.instruction) as here:
            yield here
