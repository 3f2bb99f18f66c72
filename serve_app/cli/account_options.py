"""What the commands of accounts, keys, credits and the ledger share: their options, and how each opens the ledger."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from serve_app.domain.errors import UserError, shown
from serve_app.domain.price import parse_usd
from serve_app.launch.config_file import checked_settings
from serve_app.settings import AccountsSettings

if TYPE_CHECKING:
    from serve_app.accounts.storage.database import Database

Number = TypeVar("Number", int, float)

DATABASE_VARIABLE = "RAYRANK_ACCOUNTS__DATABASE"
DATABASE_DEFAULT = AccountsSettings.model_fields["database"].default

DatabaseOption = Annotated[
    str | None,
    typer.Option(
        envvar=DATABASE_VARIABLE,
        help=f"The ledger: a SQLite file, or a postgresql:// URL. [default: {DATABASE_DEFAULT}]",
    ),
]
AccountArgument = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Its id (acct_…) or its email.")]
JsonOption = Annotated[bool, typer.Option("--json", help="A JSON object a line; the default in a pipe.")]
FromOption = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="TIME", help="No earlier ones: a day (2026-11-25) or a time, in UTC unless it says."
    ),
]
ToOption = Annotated[str | None, typer.Option("--to", metavar="TIME", help="Only earlier ones than this day or time.")]

RequestsOption = Annotated[int | None, typer.Option("--requests-per-minute", help="Requests in a minute.")]
TokensOption = Annotated[int | None, typer.Option("--tokens-per-minute", help="Tokens in a minute.")]
ConcurrentOption = Annotated[int | None, typer.Option("--concurrent-requests", help="Requests in work at a time.")]


def accounts_settings() -> AccountsSettings:
    """What the environment says of accounts, whether they are on or off."""
    return checked_settings("environment", {}).accounts or AccountsSettings()


@contextmanager
def ledger(database: str | None, *, make: bool = False) -> "Iterator[Database]":
    """The ledger that a command is about. make: where there is none yet. Raises UserError."""
    from serve_app.accounts.storage.opened import opened  # SQLAlchemy and alembic take a second to import

    with opened(database or accounts_settings().database, make=make) as found:
        yield found


def now_ms() -> int:
    """Milliseconds since 1970."""
    return int(time.time() * 1000)


def money(option: str, text: str) -> int:
    """An amount of dollars that was typed, in nano-dollars. Raises UserError naming the option."""
    return _checked(option, parse_usd, text)


def moment(option: str, text: str | None) -> float | None:
    """A day or a time that was typed, in seconds since 1970. Raises UserError naming the option."""
    return None if text is None else _checked(option, _seconds, text)


def _seconds(text: str) -> float:
    try:
        at = datetime.fromisoformat(text.strip())
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f"must be a day or a time such as 2026-11-25T18:00; got {shown(text)}") from None


def _checked(option: str, read: Callable[[str], Number], text: str) -> Number:
    try:
        return read(text)
    except ValueError as error:
        raise UserError(f"{option} {error}") from None
