"""`rayrank eval`: how well a model ranks, on whose data whatsoever. What is no subcommand's name is data for `run`."""

import typer
from typer.core import TyperGroup

from serve_app.cli.evaluation.cmteb import c_mteb
from serve_app.cli.evaluation.compare import compare
from serve_app.cli.evaluation.precision import precision
from serve_app.cli.evaluation.run import run

DEFAULT = "run"


class RunsWhereNothingIsNamed(TyperGroup):
    """A group of which one command's name may be left out."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Put the default's name before arguments that begin with no command's."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


evaluation = typer.Typer(
    cls=RunsWhereNothingIsNamed,
    no_args_is_help=True,
    help="Measure how well a model ranks: `rayrank eval DATA`, on public data or your own.",
)
for command in (run, compare, precision):
    evaluation.command()(command)
evaluation.command(name="c-mteb")(c_mteb)
