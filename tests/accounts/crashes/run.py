"""Torments two gateways and their ledger under load, and judges what is left.

`python -m tests.accounts.crashes.run --kills 200 --database postgresql` prints what came of it.
"""

import argparse
import asyncio
import json
import math
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sqlalchemy import func, select

from loadtest.server.postgres import PostgresServer, postgres_server
from serve_app.accounts.customers.keys import create_key, new_secret
from serve_app.accounts.customers.owners import grant, open_account
from serve_app.accounts.storage.database import AwayError, Database
from serve_app.accounts.storage.tables import holds
from serve_app.domain.account import Cap, KeyWish
from tests.accounts.crashes.clients import Client, Keys
from tests.accounts.crashes.gateways import GatewayProcess, two_gateways
from tests.accounts.crashes.judgement import Judge, Judgement
from tests.accounts.crashes.tally import Tally
from tests.accounts.crashes.tormentor import Tormentor

BEAT_S, DEAD_S = 0.2, 1.5
CLIENTS = 12
LAST_S = 25.0  # for which a request with a key is tried again, and holds are waited for


@dataclass(frozen=True, slots=True)
class Report:
    """released_s: from the last kill until the last hold was released."""

    judgement: Judgement
    struck: dict[str, int]
    requests: int
    released_s: float
    seconds: float


async def torment(
    place: str, postgres: PostgresServer | None, kills: int, folder: Path, within_s: float = math.inf
) -> Report:
    """Kill so many times, or as often as there is time for. place: an empty database. folder: for logs."""
    struck: dict[str, int] = {}

    async def kill(gateways: Sequence[GatewayProcess], tally: Tally) -> None:
        tormentor = Tormentor(gateways, postgres, tally, dead_s=DEAD_S)
        await tormentor.run(kills, within_s)
        struck.update(tormentor.done)

    return replace(await under_load(place, folder, kill), struck=struck)


async def under_load(
    place: str, folder: Path, happening: Callable[[Sequence[GatewayProcess], Tally], Awaitable[None]]
) -> Report:
    """Judge what is left when something has happened to two gateways under load."""
    began = time.monotonic()
    database = Database(place)
    database.migrate()
    keys = _keys(database)
    database.forget_connections()
    with two_gateways(place, folder, beat_s=BEAT_S, dead_s=DEAD_S) as gateways:
        tally, stop = Tally(), asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(CLIENTS):
                tasks.create_task(Client(gateways, keys, tally, stop).run(LAST_S))
            await happening(gateways, tally)
            last = time.monotonic()
            stop.set()
        released_s = await _until_released(database, last)
        await asyncio.sleep(2 * BEAT_S)  # for refunds that wait
        judgement = _judged(database, gateways, tally)
    database.forget_connections()
    return Report(judgement, {}, tally.requests, released_s, time.monotonic() - began)


def _keys(database: Database) -> Keys:
    now = int(time.time() * 1000)
    rich = database.write(open_account, "rich@example.org", now).id
    poor = database.write(open_account, "poor@example.org", now).id
    database.write(grant, rich, 1_000 * 10**9, "rich", "", now=now)
    database.write(grant, poor, 1, "poor", "", now=now)
    capped = KeyWish(cap=Cap(900 * 10**9, "day"))
    secrets = [database.write(create_key, rich, wish, now).secret for wish in (KeyWish(), capped)]
    return Keys(secrets, database.write(create_key, poor, KeyWish(), now).secret, new_secret())


async def _until_released(database: Database, since: float) -> float:
    """Seconds since a moment until no hold is open; what is open after a while is a fault that is found later."""
    while (waited := time.monotonic() - since) < LAST_S:
        try:
            if not await asyncio.to_thread(database.read, lambda connection: connection.scalar(_OPEN)):
                return waited
        except AwayError:
            database.forget_connections()
        await asyncio.sleep(0.05)
    return waited


_OPEN = select(func.count()).select_from(holds)


def _judged(database: Database, gateways: list[GatewayProcess], tally: Tally) -> Judgement:
    with database.snapshot() as connection:
        return Judge(connection, gateways).judge(tally)


@contextmanager
def _somewhere(kind: str, folder: Path) -> Iterator[tuple[str, PostgresServer | None]]:
    if kind == "sqlite":
        yield str(folder / "accounts.db"), None
        return
    with postgres_server() as postgres:
        yield postgres.new_database(), postgres


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="postgresql")
    parser.add_argument("--seconds", type=float, default=math.inf, help="after which nothing is killed any more")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="rayrank-crashes-"))
    with _somewhere(options.database, folder) as (place, postgres):
        report = asyncio.run(torment(place, postgres, options.kills, folder, options.seconds))
    print(json.dumps(asdict(report), indent=1))
    print(f"the gateways' logs are in {folder}")


if __name__ == "__main__":
    main()
