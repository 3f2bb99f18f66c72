"""How quick a ledger with a million entries is: `python -m loadtest.bench.serving.ledger [--postgres URL]`.

An empty ledger is filled with captures of 100 accounts over 60 days, a tenth of them one account's, half of them with
capped keys; then what users and operators ask of it is timed. Entries are written past the service, in bulk, with the
sums that it would have kept: `rayrank ledger verify` proves that they are right.
"""

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, func, insert, literal, select, text, update

from loadtest.server.running import RAYRANK
from serve_app.accounts.customers.keys import create_key
from serve_app.accounts.customers.owners import open_account, require_account
from serve_app.accounts.ledger.commits import Commits
from serve_app.accounts.ledger.operations import Authorise, Capture, HoldOrder, period_of
from serve_app.accounts.ledger.usage import DAY_MS, HOUR_MS, PLACE, SUMMED, usage_of
from serve_app.accounts.storage.database import Database
from serve_app.accounts.storage.tables import accounts, entries, spending, usage
from serve_app.domain.account import Cap, KeyWish, UsageWish

ACCOUNTS, KEYS, DAYS = 100, 50, 60
BUSY = 0.1  # of all captures are the first account's
WELCOME_USD = Decimal(10_000)
CAP = Cap(10**15, "day")
MODELS = ("BAAI/bge-reranker-base", "sentence-transformers/all-MiniLM-L6-v2")
AT_ONCE = 5_000  # rows of a statement
FIRST_HOLD = 1 << 20
TIMES = 30


@dataclass(frozen=True, slots=True)
class Owner:
    """An account and the key that it uses, "" for none."""

    account: str
    key: str


def fill(database: Database, count: int) -> list[Owner]:
    """Write so many captures, over the last days. The owners, the busy one first."""
    database.migrate()
    now = int(time.time() * 1000)
    owners = [database.write(_owner, number, now) for number in range(ACCOUNTS)]
    with database.transaction() as connection:
        if not database.is_file:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        for start in range(0, count, AT_ONCE):
            rows = list(_captures(owners, start, min(start + AT_ONCE, count), count, now))
            connection.execute(insert(entries), rows)
        _sum_up(connection)
    return owners


def _owner(connection: Connection, number: int, now: int) -> Owner:
    account = open_account(connection, f"owner{number}@example.org", now - DAYS * DAY_MS, welcome_usd=WELCOME_USD)
    if number >= KEYS:
        return Owner(account.id, "")
    return Owner(account.id, create_key(connection, account.id, KeyWish(cap=CAP), now).key.id)


def _captures(owners: list[Owner], start: int, end: int, count: int, now: int) -> Iterator[dict[str, Any]]:
    chance = random.Random(start)
    for number in range(start, end):
        owner = owners[0] if chance.random() < BUSY else owners[chance.randrange(ACCOUNTS)]
        at = now - DAYS * DAY_MS * (count - number) // count
        documents = chance.randrange(1, 100)
        charge = documents * 1_000
        yield {
            "account_id": owner.account,
            "kind": "capture",
            "amount": -charge,
            "at": at,
            "hold_id": FIRST_HOLD + number,
            "hold_amount": charge + 500,
            "key_id": owner.key,
            "period": period_of(CAP, at) if owner.key else None,
            "model": MODELS[number % len(MODELS)],
            "tier": "standard",
            "documents": documents,
            "tokens": 128 * documents,
            "request_id": f"{chance.getrandbits(128):032x}",
        }


def _sum_up(connection: Connection) -> None:
    """Keep the sums of all captures as the ledger does."""
    captured = entries.c.kind == "capture"
    hour = (entries.c.at - entries.c.at % HOUR_MS).label("hour")
    place = (entries.c.account_id, hour, entries.c.key_id, entries.c.model)
    sums = (func.count(), func.sum(entries.c.documents), func.sum(entries.c.tokens), -func.sum(entries.c.amount))
    used = select(*place, *sums).where(captured).group_by(*place)
    connection.execute(insert(usage).from_select([*PLACE, *SUMMED], used))
    of_key = (entries.c.key_id, entries.c.period)
    spent = select(*of_key, -func.sum(entries.c.amount), literal(0)).where(entries.c.period.is_not(None))
    connection.execute(insert(spending).from_select(["key_id", "period", "spent", "held"], spent.group_by(*of_key)))
    balances = connection.execute(
        select(entries.c.account_id, func.sum(entries.c.amount)).group_by(entries.c.account_id)
    )
    for account, balance in balances.all():
        connection.execute(update(accounts).where(accounts.c.id == account).values(balance=balance))


def median_ms(work: Callable[[], object]) -> float:
    """The median of several times, in milliseconds."""
    work()
    return statistics.median(1e3 * _seconds(work) for _ in range(TIMES))


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


async def charge(database: Database, owner: Owner) -> list[float]:
    """Seconds of an authorisation with its capture, for each of some requests one after the other."""
    commits, seconds = Commits(database), []
    for number in range(1, 10 * TIMES):
        now, began = int(time.time() * 1000), time.perf_counter()
        hold = HoldOrder(number, owner.account, owner.key, 1_000, now, CAP.nano_dollars, period_of(CAP, now))
        await commits.done(Authorise(hold))
        await commits.done(Capture(hold, 900, now, MODELS[0], "standard", 1, 128, "r"))
        seconds.append(time.perf_counter() - began)
    await commits.close()
    return seconds


def command(place: str, *words: str) -> tuple[float, float, str]:
    """Seconds and most MiB of a command on the ledger, and what it printed last."""
    script = (
        "import json, resource, subprocess, sys; "
        "ended = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, text=True); "
        "most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss; "
        "print(json.dumps([ended.returncode, most / 1024, ended.stdout[-300:]]))"
    )
    wanted = [str(RAYRANK), "ledger", *words, "--database", place]
    began = time.perf_counter()
    ran = subprocess.run([sys.executable, "-c", script, *wanted], stdout=subprocess.PIPE, text=True, check=True)
    seconds = time.perf_counter() - began
    status, most, said = json.loads(ran.stdout)
    if status:
        raise RuntimeError(f"rayrank ledger {' '.join(words)} ended with {status}: {said}")
    return seconds, most, said.strip()


def size_mib(database: Database) -> float:
    """What the database takes on the disk."""
    if database.path:
        return sum(each.stat().st_size for each in database.path.parent.glob(f"{database.path.name}*")) / 2**20
    with database.snapshot() as connection:
        size: int = connection.scalar(text("SELECT pg_database_size(current_database())")) or 0
    return size / 2**20


def measure(place: str, count: int, console: Console) -> dict[str, str]:
    """The figures of one database."""
    database = Database(place)
    began = time.perf_counter()
    owners = fill(database, count)
    console.print(f"{database}: filled in {time.perf_counter() - began:.0f} s")
    busy, now = owners[0], time.time()
    wish = UsageWish(now - DAYS * DAY_MS / 1000, now, "day")
    account = median_ms(partial(database.read, require_account, busy.account))
    used = median_ms(partial(database.read, usage_of, busy.account, wish))
    charged = 1e3 * statistics.median(asyncio.run(charge(database, busy)))
    found = {
        "what /account asks, ms": f"{account:.2f}",
        "what /v1/usage asks, busy account, 60 days, ms": f"{used:.1f}",
        "authorise + capture, busy account, ms": f"{charged:.2f}",
    }
    for words in (("verify",), ("export",)):
        seconds, most, said = command(place, *words)
        found[f"rayrank ledger {' '.join(words)}"] = f"{seconds:.1f} s, {most:.0f} MiB"
        if words == ("verify",):
            console.print(said)
    found["size, MiB"] = f"{size_mib(database):.0f}"
    database.forget_connections()
    return found


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--postgres", metavar="URL", help="an empty database, to be measured, too")
    options = parser.parse_args()
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory() as folder:
        places = {"SQLite": str(Path(folder) / "accounts.db"), "PostgreSQL": options.postgres}
        found = {kind: measure(place, options.entries, console) for kind, place in places.items() if place}
    table = Table(f"{options.entries:,} captures", *found)
    for name in next(iter(found.values())):
        table.add_row(name, *(each[name] for each in found.values()))
    console.print(table)


if __name__ == "__main__":
    main()
