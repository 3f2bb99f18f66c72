"""`rayrank keys`: made, listed, revoked."""

import sys
from typing import Annotated, cast

import typer

from serve_app.cli.account_options import (
    AccountArgument,
    ConcurrentOption,
    DatabaseOption,
    JsonOption,
    RequestsOption,
    TokensOption,
    ledger,
    money,
    now_ms,
)
from serve_app.cli.listing import key_record, show
from serve_app.cli.terminal import notices
from serve_app.domain.account import DEFAULT_SCOPES, SCOPES, Cap, CapPeriod, KeyWish, Limits, Scope
from serve_app.domain.errors import UserError

DAY_S = 86_400
COLUMNS = {
    "key": "id",
    "name": "name",
    "begins": "prefix",
    "scopes": "scopes",
    "models": "models",
    "cap $": "cap_usd",
    "per": "cap_period",
    "created": "created",
    "expires": "expires",
    "revoked": "revoked",
}

keys = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")


@keys.command()
def create(
    account: AccountArgument,
    *,
    name: Annotated[str, typer.Option(help="By which its owner knows it.")] = "",
    scope: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SCOPE", help=f"Of {', '.join(SCOPES)}; once for each. [default: {', '.join(DEFAULT_SCOPES)}]"
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="MODEL",
            help="A model that it may ask, by id or alias; once for each. [default: all]",
        ),
    ] = None,
    cap: Annotated[str | None, typer.Option(metavar="USD", help="The most that it may spend in a period.")] = None,
    period: Annotated[CapPeriod | None, typer.Option(help="Of the cap, by UTC. [default: month]")] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="Days for which it is good; no end otherwise.")
    ] = None,
    requests_per_minute: RequestsOption = None,
    tokens_per_minute: TokensOption = None,
    concurrent_requests: ConcurrentOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key and show its secret, this once: it is kept nowhere."""
    from serve_app.accounts.operator import key_for

    if period and cap is None:
        raise UserError("--period says nothing without --cap")
    now = now_ms()
    wish = KeyWish(
        name=name,
        scopes=cast("tuple[Scope, ...]", tuple(scope)) if scope else DEFAULT_SCOPES,  # the ledger checks them
        models=tuple(model or ()),
        cap=None if cap is None else Cap(money("--cap", cap), period or "month"),
        limits=Limits(requests_per_minute, tokens_per_minute, concurrent_requests),
        expires=None if days is None else now / 1000 + days * DAY_S,
    )
    with ledger(database) as found:
        new = found.write(key_for, account, wish, now)
    if as_json or not sys.stdout.isatty():
        show([key_record(new.key) | {"secret": new.secret}], {}, as_json=True)
    else:
        typer.echo(new.secret)
    notices.print(f"rayrank: the secret of {new.key.id} is shown only now", markup=False)


@keys.command("list")
def list_(account: AccountArgument, *, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """List an account's keys, the newest first; revoked and expired ones, too."""
    from serve_app.accounts.operator import keys_of

    with ledger(database) as found:
        listed = found.read(keys_of, account)
    show([key_record(key) for key in listed], COLUMNS, as_json=as_json)


@keys.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its id (key_…), not its secret.")],
    *,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Revoke a key, for good; once more does nothing."""
    from serve_app.accounts.customers.keys import revoke_key

    with ledger(database) as found:
        revoked = found.write(revoke_key, None, key, now_ms())
    show([key_record(revoked)], COLUMNS, as_json=as_json)
