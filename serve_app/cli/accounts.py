"""`rayrank accounts`: who may ask, what they have and what they used."""

import csv
import sys
import time
from decimal import Decimal
from typing import Annotated

import typer

from serve_app.cli.account_options import (
    AccountArgument,
    ConcurrentOption,
    DatabaseOption,
    FromOption,
    JsonOption,
    RequestsOption,
    TokensOption,
    ToOption,
    accounts_settings,
    ledger,
    moment,
    money,
    now_ms,
)
from serve_app.cli.listing import account_record, iso, show, usage_record
from serve_app.cli.terminal import notices
from serve_app.domain.account import Bucket, Limits, UsageWish
from serve_app.domain.errors import UserError
from serve_app.domain.price import NANO_DOLLARS

DAY_S = 86_400
LIMIT_NAMES = ("requests_per_minute", "tokens_per_minute", "concurrent_requests")
ACCOUNT_COLUMNS = {
    "account": "id",
    "email": "email",
    "balance $": "balance_usd",
    "held $": "held_usd",
    "spent $": "spent_usd",
    "created": "created",
}
LIMIT_COLUMNS = {name.replace("_", " "): name for name in LIMIT_NAMES}
USAGE_COLUMNS = {
    "start": "start",
    "key": "key",
    "model": "model",
    "requests": "requests",
    "documents": "documents",
    "tokens": "tokens",
    "cost $": "cost_usd",
}
INVITE_COLUMNS = {"code": "prefix", "note": "note", "created": "created", "expires": "expires", "used by": "used_by"}

accounts = typer.Typer(no_args_is_help=True, help="Open accounts, and see what they have and use.")


@accounts.command()
def create(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Of its owner.")],
    *,
    welcome: Annotated[
        str | None,
        typer.Option(metavar="USD", help="Credit to begin with; 0 for none. [default: accounts.welcome_usd, 25]"),
    ] = None,
    requests_per_minute: RequestsOption = None,
    tokens_per_minute: TokensOption = None,
    concurrent_requests: ConcurrentOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Open an account; the ledger, too, where there is none yet."""
    from serve_app.accounts.customers.owners import open_account

    limits = Limits(requests_per_minute, tokens_per_minute, concurrent_requests)
    credit = accounts_settings().welcome_usd if welcome is None else _welcome(welcome)
    with ledger(database, make=True) as found:
        account = found.write(open_account, email, now_ms(), welcome_usd=credit, limits=limits)
    show([account_record(account)], ACCOUNT_COLUMNS, as_json=as_json)
    if notices.is_terminal:
        notices.print(f"Its first key: rayrank keys create {account.email}", markup=False)


@accounts.command("list")
def list_(*, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """List all accounts, the oldest first."""
    from serve_app.accounts.customers.owners import list_accounts

    with ledger(database) as found:
        listed = found.read(list_accounts)
    show([account_record(account) for account in listed], ACCOUNT_COLUMNS, as_json=as_json)


@accounts.command("show")
def show_(account: AccountArgument, *, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Show one account with its limits."""
    from serve_app.accounts.customers.owners import require_account

    with ledger(database) as found:
        record = account_record(found.read(require_account, account))
    show([record], ACCOUNT_COLUMNS | LIMIT_COLUMNS, as_json=as_json)


@accounts.command()
def limit(
    account: AccountArgument,
    *,
    requests_per_minute: RequestsOption = None,
    tokens_per_minute: TokensOption = None,
    concurrent_requests: ConcurrentOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give an account limits of its own. 0 takes one away: then what the service's settings say holds again."""
    from serve_app.accounts.operator import change_limits

    given = zip(LIMIT_NAMES, (requests_per_minute, tokens_per_minute, concurrent_requests), strict=True)
    changes = {name: limit or None for name, limit in given if limit is not None}
    if not changes:
        raise UserError(f"say which limit: {', '.join('--' + name.replace('_', '-') for name in LIMIT_NAMES)}")
    with ledger(database) as found:
        record = account_record(found.write(change_limits, account, changes))
    show([record], ACCOUNT_COLUMNS | LIMIT_COLUMNS, as_json=as_json)


@accounts.command()
def usage(
    account: AccountArgument,
    *,
    since: FromOption = None,
    until: ToOption = None,
    bucket: Annotated[Bucket, typer.Option(help="How long each sum is, of UTC.")] = "day",
    model: Annotated[str | None, typer.Option("--model", "-m", help="Of this model alone, by its id.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV, with a head line.")] = False,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what an account has used, by time, key and model: all of it, unless --from and --to say otherwise."""
    from serve_app.accounts.operator import used_by

    begin, end = moment("--from", since) or 0.0, moment("--to", until)
    wish = UsageWish(begin, time.time() + DAY_S if end is None else end, bucket, model)
    with ledger(database) as found:
        records = [usage_record(each) for each in found.read(used_by, account, wish)]
    if not as_csv:
        show(records, USAGE_COLUMNS, as_json=as_json)
        return
    written = csv.DictWriter(sys.stdout, [*USAGE_COLUMNS.values(), "nano_dollars"], lineterminator="\n")
    written.writeheader()
    written.writerows(records)


@accounts.command()
def invite(
    *,
    note: Annotated[str, typer.Option(help="For whom it is, for your own memory.")] = "",
    days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="Days for which it is good; no end otherwise.")
    ] = None,
    database: DatabaseOption = None,
) -> None:
    """Make an invitation, with which one account can be opened over HTTP, and show its code this once."""
    from serve_app.accounts.customers.invites import create_invite

    now = now_ms()
    expires = None if days is None else now / 1000 + days * DAY_S
    with ledger(database) as found:
        code = found.write(create_invite, note, now, expires)
    if sys.stdout.isatty():
        typer.echo(code)
        notices.print("This code is shown only now.")
        return
    show([{"code": code, "note": note, "expires": iso(expires)}], {})


@accounts.command()
def invites(*, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """List all invitations, the newest first."""
    from serve_app.accounts.customers.invites import list_invites

    with ledger(database) as found:
        listed = found.read(list_invites)
    records = [
        {
            "prefix": each.prefix,
            "note": each.note,
            "created": iso(each.created),
            "expires": iso(each.expires),
            "used_by": each.used_by,
        }
        for each in listed
    ]
    show(records, INVITE_COLUMNS, as_json=as_json)


def _welcome(text: str) -> Decimal:
    return Decimal(0) if text.strip() == "0" else Decimal(money("--welcome", text)) / NANO_DOLLARS
