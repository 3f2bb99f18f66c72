"""The subcommands of `rayrank`, a file each."""

from typing import Annotated

import typer

from serve_app import __version__
from serve_app.cli.accounts import accounts
from serve_app.cli.check import check
from serve_app.cli.credits import credits  # noqa: A004
from serve_app.cli.doctor import doctor
from serve_app.cli.evaluation.group import evaluation
from serve_app.cli.keys import keys
from serve_app.cli.ledger import ledger
from serve_app.cli.models import models
from serve_app.cli.openapi import openapi
from serve_app.cli.rank import rank
from serve_app.cli.release import release
from serve_app.cli.serve import serve
from serve_app.cli.settings import settings

COMMANDS = (serve, rank, models, settings, doctor, check, release, openapi)
GROUPS = {"eval": evaluation, "accounts": accounts, "keys": keys, "credits": credits, "ledger": ledger}

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in COMMANDS:
    app.command()(command)
for name, group in GROUPS.items():
    app.add_typer(group, name=name)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rayrank {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True)] = False,
) -> None:
    """Sort documents by relevance to a query: as a service, or here and now."""
