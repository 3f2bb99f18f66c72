"""Records as a command shows them: a table on a terminal, a JSON object a line in a pipe."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from serve_app.domain.account import Account, ApiKey, UsageBucket
from serve_app.domain.price import format_usd

Record = Mapping[str, Any]

TIMES = ("at", "created", "expires", "revoked", "start")
TO_THE_SECOND = len("2026-11-25T18:00:00")


def show(records: Sequence[Record], columns: Mapping[str, str], *, as_json: bool = False) -> None:
    """Show records. columns: the headings of the table, and the field under each."""
    if as_json or not sys.stdout.isatty():
        for record in records:
            typer.echo(json.dumps(record, ensure_ascii=False))
        return
    table = Table(box=None)
    for heading, field in columns.items():
        numbers = any(isinstance(record[field], int) for record in records) or field.endswith("usd")
        table.add_column(heading, justify="right" if numbers else "left", overflow="fold")
    for record in records:
        table.add_row(*(Text(_cell(field, record[field])) for field in columns.values()))
    Console(highlight=False).print(table)


def iso(seconds: float | None) -> str | None:
    """A time as it is written: UTC, to the millisecond."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def account_record(account: Account) -> dict[str, Any]:
    """An account's fields."""
    return {
        "id": account.id,
        "email": account.email,
        "balance_usd": format_usd(account.balance),
        "held_usd": format_usd(account.held),
        "granted_usd": format_usd(account.granted),
        "spent_usd": format_usd(account.spent),
        **asdict(account.limits),
        "created": iso(account.created),
    }


def key_record(key: ApiKey) -> dict[str, Any]:
    """A key's fields, without its secret."""
    return {
        "id": key.id,
        "account": key.account,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": list(key.scopes),
        "models": list(key.models),
        "cap_usd": format_usd(key.cap.nano_dollars) if key.cap else None,
        "cap_period": key.cap.period if key.cap else None,
        **asdict(key.limits),
        "created": iso(key.created),
        "expires": iso(key.expires),
        "revoked": iso(key.revoked),
    }


def usage_record(bucket: UsageBucket) -> dict[str, Any]:
    """The fields of an hour's or a day's usage. key: null where no key was used."""
    return {
        "start": iso(bucket.start),
        "key": bucket.key or None,
        "model": bucket.model,
        "requests": bucket.requests,
        "documents": bucket.documents,
        "tokens": bucket.tokens,
        "cost_usd": format_usd(bucket.nano_dollars),
        "nano_dollars": bucket.nano_dollars,
    }


def _cell(field: str, value: object) -> str:
    if field in TIMES and value:
        return str(value)[:TO_THE_SECOND].replace("T", " ")
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, int):
        return f"{value:,}"
    return "" if value is None else str(value)
