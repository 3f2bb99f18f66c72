"""The `rayrank` command: its subcommands, a file each, and how each of them fails."""

import sys
from typing import Annotated

import typer

from serve_app import __version__
from serve_app.cli.accounts import accounts
from serve_app.cli.credits import credits  # noqa: A004
from serve_app.cli.keys import keys
from serve_app.cli.ledger import ledger
from serve_app.cli.models import models
from serve_app.cli.openapi import openapi
from serve_app.cli.rank import rank
from serve_app.cli.release import release
from serve_app.cli.serve import serve
from serve_app.cli.settings import settings
from serve_app.cli.terminal import complain
from serve_app.domain.errors import UserError

COMMANDS = (serve, rank, models, settings, release, openapi)
GROUPS = {"accounts": accounts, "keys": keys, "credits": credits, "ledger": ledger}

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
for command in COMMANDS:
    app.command()(command)
for name, group in GROUPS.items():
    app.add_typer(group, name=name)


def main() -> None:
    """Run the command. What a user can mend is one line and exit status 1, never a traceback."""
    try:
        app()
    except UserError as error:
        complain(str(error))
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
