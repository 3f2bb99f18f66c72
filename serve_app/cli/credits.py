"""`rayrank credits`: what accounts are given."""

import secrets
from typing import Annotated

import typer

from serve_app.cli.account_options import AccountArgument, DatabaseOption, JsonOption, ledger, money, now_ms
from serve_app.cli.listing import iso, show
from serve_app.cli.terminal import notices
from serve_app.domain.price import format_usd

COLUMNS = {"at": "at", "$": "usd", "reference": "reference"}

credits = typer.Typer(no_args_is_help=True, help="Give accounts credit, and see what they were given.")  # noqa: A001


@credits.command()
def grant(
    account: AccountArgument,
    usd: Annotated[str, typer.Argument(metavar="USD", help="How much, such as 25 or 0.50.")],
    *,
    reference: Annotated[
        str | None,
        typer.Option(help="Of the payment: given twice, it is granted once. A fresh one is made where it is left out."),
    ] = None,
    note: Annotated[str, typer.Option(help="What it is for.")] = "",
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give an account credit, once for a reference."""
    from serve_app.accounts.customers.owners import grant as give

    amount = money("USD", usd)
    wanted = f"manual:{secrets.token_hex(8)}" if reference is None else reference
    with ledger(database) as found:
        given = found.write(give, account, amount, wanted, note, now=now_ms())
    if given.again:
        notices.print(f"rayrank: {given.reference} was granted before; nothing has changed", markup=False)
    record = {
        "account": given.account,
        "usd": format_usd(given.nano_dollars),
        "reference": given.reference,
        "at": iso(given.at),
        "balance_usd": format_usd(given.balance),
        "again": given.again,
    }
    show([record], {"account": "account"} | COLUMNS | {"balance $": "balance_usd"}, as_json=as_json)


@credits.command("list")
def list_(account: AccountArgument, *, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """List what an account was given, the oldest first."""
    from serve_app.accounts.ledger.statements import grants_of

    with ledger(database) as found:
        grants = found.read(grants_of, account)
    records = [
        {"at": iso(each.at), "usd": format_usd(each.amount), "reference": each.reference, "note": each.note}
        for each in grants
    ]
    show(records, COLUMNS | {"note": "note"}, as_json=as_json)
