"""`rayrank ledger`: proof that it is right, and all that is written in it."""

import csv
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from serve_app.cli.account_options import DatabaseOption, FromOption, JsonOption, ToOption, moment
from serve_app.cli.account_options import ledger as opened_ledger
from serve_app.cli.listing import iso, show
from serve_app.cli.terminal import complain, notices
from serve_app.domain.errors import UserError
from serve_app.domain.price import format_usd
from serve_app.domain.spreadsheet import harmless

if TYPE_CHECKING:
    from serve_app.accounts.ledger.statements import Entry

Format = Literal["jsonl", "csv"]
FIELDS = (
    "id", "at", "account", "email", "kind", "usd", "nano_dollars", "reference", "note", "key", "model", "tier",
    "documents", "tokens", "request_id", "hold", "held_usd", "held_nano_dollars",
)  # fmt: skip
TYPED = ("reference", "note", "model", "request_id")  # by somebody, perhaps a stranger
STEP = 1_000  # entries between two looks at the progress bar

ledger = typer.Typer(no_args_is_help=True, help="Prove that the ledger is right, and write it out.")


@ledger.command()
def verify(*, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Check every invariant of the ledger, also while it is in use. Exit status 1, and a line each, for faults."""
    from serve_app.accounts.ledger.statements import verify_patiently

    with opened_ledger(database) as found, notices.status("Looking at every entry …"):
        verdict = found.read(verify_patiently)
    balance = format_usd(verdict.balance)
    for fault in verdict.faults:
        complain(fault)
    if as_json or not sys.stdout.isatty():
        record = {"accounts": verdict.accounts, "entries": verdict.entries, "holds": verdict.holds}
        show([record | {"balance_usd": balance, "faults": list(verdict.faults)}], {}, as_json=True)
    else:
        looked_at = f"accounts: {verdict.accounts:,}; entries: {verdict.entries:,}; open holds: {verdict.holds:,}"
        found_out = f"faults: {len(verdict.faults):,}" if verdict.faults else "all is right"
        typer.echo(f"{looked_at}; sum of balances: ${balance}; {found_out}")
    if verdict.faults:
        raise typer.Exit(1)


@ledger.command()
def export(
    *,
    account: Annotated[
        str | None, typer.Option(metavar="ACCOUNT", help="Of one account alone: its id or email.")
    ] = None,
    since: FromOption = None,
    until: ToOption = None,
    form: Annotated[Format, typer.Option("--format", help="csv has a head line.")] = "jsonl",
    database: DatabaseOption = None,
) -> None:
    """Write out all entries, in their order: every grant, capture and refund, as of one moment.

    Money is exact, in dollars and in nano-dollars. In CSV an apostrophe goes before a text that a spreadsheet would
    take for a formula.
    """
    from serve_app.accounts.customers.owners import require_account
    from serve_app.accounts.ledger.statements import EntriesWish, count_entries, read_entries

    begin, end = moment("--from", since), moment("--to", until)
    with opened_ledger(database) as found, found.snapshot() as connection:
        owner = require_account(connection, account).id if account else None
        wish = EntriesWish(begin, end, owner)
        write = _writer(form, sys.stdout)
        for entry in _watched(read_entries(connection, wish), count_entries(connection, wish)):
            write(_record(entry))


@ledger.command()
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the copy goes; it must not be there yet.")],
    *,
    database: DatabaseOption = None,
) -> None:
    """Copy a SQLite ledger as it is at one moment, also while it is in use. For PostgreSQL there is pg_dump."""
    from serve_app.accounts.storage.backup import back_up

    with opened_ledger(database) as found, notices.status("Copying …"):
        back_up(found, file)
    notices.print(f"the ledger {found} is copied to {file}")


@ledger.command()
def migrate(
    *,
    back: Annotated[
        bool, typer.Option("--back", help="One form back, for an older version; end all gateways first.")
    ] = False,
    database: DatabaseOption = None,
) -> None:
    """Bring the tables to this version's form. Gateways do it themselves when they start; this does it before."""
    if not back:
        with opened_ledger(database, make=True) as found:
            notices.print(f"the ledger {found} has this version's form", markup=False, soft_wrap=True)
        return
    from serve_app.accounts.ledger.presence import gateways_alive

    with opened_ledger(database) as found:
        with notices.status("Looking whether a gateway works on it …"):
            alive = gateways_alive(found)
        if alive:
            raise UserError(f"gateways that work on {found}: {alive}; end them first")
        form = found.take_back()
        notices.print(f"the ledger {found} has form {form} again", markup=False, soft_wrap=True)


def _watched(entries: "Iterator[Entry]", count: int) -> "Iterator[Entry]":
    """The entries, with a progress bar where somebody looks at it."""
    columns = (TextColumn("writing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = not notices.is_terminal or sys.stdout.isatty()
    with Progress(*columns, console=notices, transient=True, disable=hidden) as progress:
        task = progress.add_task("", total=count)
        for number, entry in enumerate(entries):
            if number % STEP == 0:
                progress.update(task, completed=number)
            yield entry


def _writer(form: Format, output: TextIO) -> Callable[[dict[str, Any]], object]:
    if form == "jsonl":
        return lambda record: output.write(json.dumps(record, ensure_ascii=False) + "\n")
    table = csv.DictWriter(output, FIELDS, lineterminator="\n")
    table.writeheader()
    return lambda record: table.writerow(record | {name: harmless(record[name] or "") for name in TYPED})


def _record(entry: "Entry") -> dict[str, Any]:
    return {
        "id": entry.id,
        "at": iso(entry.at),
        "account": entry.account,
        "email": entry.email,
        "kind": entry.kind,
        "usd": format_usd(entry.amount),
        "nano_dollars": entry.amount,
        "reference": entry.reference,
        "note": entry.note,
        "key": entry.key,
        "model": entry.model,
        "tier": entry.tier,
        "documents": entry.documents,
        "tokens": entry.tokens,
        "request_id": entry.request_id,
        "hold": entry.hold,
        "held_usd": None if entry.held is None else format_usd(entry.held),
        "held_nano_dollars": entry.held,
    }
