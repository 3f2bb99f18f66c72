"""Gateway processes that are killed, stopped and started again, each at a port of its own."""

import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import httpx

from loadtest.server.address import free_port
from tests.accounts.crashes.gateway_process import GatewayOptions, serve

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.accounts.crashes.gateway_process"])

STARTS_S = 30.0


class GatewayProcess:
    """lives: how many it has had, the one that runs included. deaths: when each ended, on the monotonic clock."""

    def __init__(self, options: GatewayOptions) -> None:
        self._options = options
        self.url = f"http://127.0.0.1:{options.port}"
        self.deaths: list[float] = []
        self._process = self._started()

    @property
    def lives(self) -> int:
        return len(self.deaths) + 1

    def kill(self) -> None:
        self._process.kill()
        self._process.join()

    def end(self) -> None:
        """Have it answer what is in work, and end."""
        self._process.terminate()
        self._process.join()

    def start(self, migrations: Path | None = None) -> None:
        """Start it again; with migrations, as a newer build that has these, too."""
        self.deaths.append(time.monotonic())
        self._options = replace(self._options, migrations=str(migrations) if migrations else None)
        self._process = self._started()

    async def serves(self) -> None:
        """Return when it does; TimeoutError where it does not."""
        async with asyncio.timeout(STARTS_S), httpx.AsyncClient(trust_env=False) as client:
            while True:
                with suppress(httpx.HTTPError):
                    if (await client.get(f"{self.url}/health")).status_code == httpx.codes.OK:
                        return
                await asyncio.sleep(0.05)

    def stop(self) -> None:
        """Have it stand still."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def _started(self) -> BaseProcess:
        process = FORKS.Process(target=serve, args=(self._options,), daemon=True)
        process.start()
        return process


@contextmanager
def two_gateways(database: str, folder: Path, *, beat_s: float, dead_s: float) -> Iterator[list[GatewayProcess]]:
    """Two gateways on one database. folder: for their logs."""
    options = GatewayOptions(0, database, beat_s, dead_s, "")
    gateways: list[GatewayProcess] = []
    try:
        for name in ("a", "b"):
            log = str(folder / f"gateway_{name}.log")
            gateways.append(GatewayProcess(replace(options, port=free_port(), log=log)))
        yield gateways
    finally:
        for gateway in gateways:
            gateway.kill()
