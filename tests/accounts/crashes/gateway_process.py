"""A gateway without Ray that can be killed: its model, a simulated one whose replica dies often, lives in it.

All that takes long is done as this module is imported: a process that is forked from one that has it starts at once.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import alembic.command  # noqa: F401 - imported where it is used, when a gateway starts
import uvicorn
import uvicorn.loops.auto
import uvicorn.protocols.http.auto

from serve_app.accounts.prepaid import PrepaidAccounts
from serve_app.accounts.storage.migrations.run import VERSIONS
from serve_app.api.routes import build_api
from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import locate, resolve
from serve_app.engine.assembly import load_text_side
from serve_app.scheduling.scheduler import Scheduler
from serve_app.scheduling.simulated import SimulatedModel
from serve_app.service.availability import Availability
from serve_app.service.dispatch import Dispatcher
from serve_app.service.in_process import OneReplica
from serve_app.service.replicas import ReplicaLostError, ShardAnswer, ShardCall
from serve_app.service.reranker import Reranker
from serve_app.service.served import ServedModel
from serve_app.settings import (
    EMBEDDED_MODEL,
    AccountsSettings,
    HttpSettings,
    QueueSettings,
    Settings,
    ShardingSettings,
    SimulatedDevice,
)

CARD = resolve(EMBEDDED_MODEL, load_catalog())
TEXT_SIDE = load_text_side(locate(CARD.source))
TIMES = SimulatedDevice(tokens_per_s=100_000, step_ms=3)
DIES = 0.1  # of all shards
AWAY_S, EVERY_S = 0.9, 8.0  # no replica is there for the first part of each of these

QUEUE, SHARDING = QueueSettings(), ShardingSettings()


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """port: on loopback. database: see AccountsSettings. beat_s, dead_s: see Presence. log: where it writes one.

    migrations: a folder of those that this build has beside the released ones.
    """

    port: int
    database: str
    beat_s: float
    dead_s: float
    log: str
    migrations: str | None = None


class MortalReplica(OneReplica):
    """A replica that dies with some of its shards, and is away now and then for longer than they are sent again."""

    async def send(self, call: ShardCall) -> ShardAnswer:
        if time.monotonic() % EVERY_S < AWAY_S:
            raise ReplicaLostError
        if random.random() < DIES:
            await asyncio.sleep(random.random() * 0.01)
            raise ReplicaLostError
        return await super().send(call)


def service(replica: type[OneReplica] = MortalReplica) -> tuple[Reranker, Scheduler]:
    """A service whose one replica lives here."""
    device = SimulatedModel(TIMES, width=TEXT_SIDE.vector_width or 1, longest=TEXT_SIDE.form.max_tokens)
    scheduler = Scheduler(device, ThreadPoolExecutor(1), QUEUE)
    dispatcher = Dispatcher(replica(scheduler, lambda _: None), SHARDING)
    served = ServedModel(CARD, int(time.time()), TEXT_SIDE, dispatcher, Availability(lambda: 1))
    return Reranker([served], QUEUE, SHARDING), scheduler


@asynccontextmanager
async def simulated_service() -> AsyncIterator[Reranker]:
    """The same in a test's own process, with a replica that lives."""
    reranker, scheduler = service(OneReplica)
    try:
        yield reranker
    finally:
        reranker.close()
        await scheduler.close()


build_api(service()[0], Settings())


def serve(options: GatewayOptions) -> None:
    """Serve until killed, or told to end: then what is in work is answered first."""
    logging.basicConfig(filename=options.log, level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    if options.migrations:
        VERSIONS.append(Path(options.migrations))
    accounts = AccountsSettings(database=options.database)
    settings = Settings(accounts=accounts, http=HttpSettings(max_body_bytes=200_000, timeout_s=10))
    kept = PrepaidAccounts(accounts, longest_request_s=10, beat_s=options.beat_s, dead_s=options.dead_s)
    api = build_api(service()[0], settings, kept)
    uvicorn.run(api, host="127.0.0.1", port=options.port, log_config=None, lifespan="off")
