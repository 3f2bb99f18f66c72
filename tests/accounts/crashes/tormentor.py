"""Kills and stops what a ledger depends on, at random moments under load."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence

from loadtest.server.postgres import PostgresServer
from tests.accounts.crashes.gateways import GatewayProcess
from tests.accounts.crashes.tally import Tally

MOVES = {"gateway": 8, "both": 1, "stop": 1, "stop and kill": 1, "database": 6, "database and gateway": 2}
ENOUGH = 4  # answers between two moves
ENOUGH_S = 8.0  # for them to come


class Tormentor:
    """done: kills and stops so far, by what was struck."""

    def __init__(
        self, gateways: Sequence[GatewayProcess], postgres: PostgresServer | None, tally: Tally, *, dead_s: float
    ) -> None:
        self._gateways, self._postgres, self._tally, self._dead_s = gateways, postgres, tally, dead_s
        self.done: Counter[str] = Counter()

    @property
    def kills(self) -> int:
        return self.done["gateway"] + self.done["database"]

    async def run(self, kills: int, within_s: float) -> None:
        """Kill so many times, or as often as there is time for; at the end both gateways at once."""
        end = time.monotonic() + within_s
        while self.kills < kills - 2 and time.monotonic() < end:
            await self._some_answers()
            await asyncio.sleep(random.uniform(0, 0.3))
            moves = {name: weight for name, weight in MOVES.items() if self._postgres or "database" not in name}
            [move] = random.choices(list(moves), list(moves.values()))
            await self._strike(move)
        await self._some_answers()
        await self._strike("both")

    async def _strike(self, move: str) -> None:
        victim = random.choice(self._gateways)
        match move:
            case "gateway":
                await self._kill(victim)
            case "both":
                await asyncio.gather(*map(self._kill, self._gateways))
            case "stop":
                await self._stop(victim)
            case "stop and kill":  # what it was about to write when it stopped is written when it is dead to others
                await self._stop(victim)
                await asyncio.sleep(random.uniform(0, 0.05))
                await self._kill(victim)
            case "database":
                await self._kill_database()
            case "database and gateway":
                await asyncio.gather(self._kill_database(), self._kill(victim, after_s=random.uniform(0, 0.5)))

    async def _kill(self, gateway: GatewayProcess, after_s: float = 0.0) -> None:
        await asyncio.sleep(after_s)
        self.done["gateway"] += 1
        await asyncio.to_thread(gateway.kill)
        await asyncio.sleep(random.uniform(0, 0.3))
        await asyncio.to_thread(gateway.start)

    async def _stop(self, gateway: GatewayProcess) -> None:
        self.done["stop"] += 1
        gateway.stop()
        await asyncio.sleep(self._dead_s * random.uniform(0.5, 2.5))
        gateway.go_on()

    async def _kill_database(self) -> None:
        assert self._postgres is not None
        self.done["database"] += 1
        await asyncio.to_thread(self._postgres.kill)
        await asyncio.sleep(random.choice([0.0, 0.3, 3.2]))  # the last for longer than a capture waits
        await asyncio.to_thread(self._postgres.start)

    async def _some_answers(self) -> None:
        await self._tally.some_answers(ENOUGH, ENOUGH_S)
