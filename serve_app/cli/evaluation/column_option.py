"""Which field of the data holds what, where it is not called as usual."""

from collections.abc import Sequence
from typing import Annotated, get_args

import typer

from serve_app.domain.errors import UserError, shown
from serve_app.evaluation.data.columns import Role

ColumnOption = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="ROLE=NAME",
        help=f"What a field is called, such as query=Frage; repeat it. Roles: {', '.join(get_args(Role))}.",
    ),
]


def named_columns(given: Sequence[str] | None) -> dict[str, str]:
    """Names of fields by role. Raises UserError where one is no ROLE=NAME, or a role is given twice."""
    columns: dict[str, str] = {}
    for each in given or ():
        role, equals, name = each.partition("=")
        if not equals or not name:
            raise UserError(f"--column takes ROLE=NAME, such as query=Frage; got {shown(each)}")
        if role in columns:
            raise UserError(f"--column names the field of {shown(role)} twice: {shown(columns[role])}, {shown(name)}")
        columns[role] = name
    return columns
