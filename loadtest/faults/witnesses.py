"""Clients that ask without pause and write down all that they see."""

import asyncio
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import httpx

from loadtest.faults.oracle import Known
from loadtest.load.background import Background
from loadtest.server.running import Server

CLIENTS = 4
LIMIT_S = 10.0  # that a request asks for
PATIENCE_S = 5.0  # beyond it; who is not answered then hangs
PAUSE_S = 0.05
BROKEN_PAUSE_S = 0.2  # after a connection that was refused or broke
NANO = 10**9


@dataclass(frozen=True, slots=True)
class Sight:
    """What came of one request. began: on the monotonic clock. status: None where no whole answer came.

    fault: what is wrong with an answer of 200, or with the form of an error. told: nano-dollars that a 200 says. hung:
    it was answered neither in time nor at all, on a connection that stayed open.
    """

    request_id: str
    began: float
    seconds: float
    status: int | None = None
    fault: str | None = None
    told: int = 0
    hung: bool = False

    @property
    def right(self) -> bool:
        """Whether it is a right answer."""
        return self.status == 200 and self.fault is None


class Witnesses(Background):
    """Clients that ask what is known. sights: what they have seen so far."""

    def __init__(self, server: Server, known: Sequence[Known]) -> None:
        super().__init__()
        self.sights: list[Sight] = []
        self._server, self._known = server, known

    def work(self) -> None:
        """See Background."""
        asyncio.run(self._ask())

    async def _ask(self) -> None:
        timeout = httpx.Timeout(LIMIT_S + PATIENCE_S)
        async with httpx.AsyncClient(base_url=self._server.url, timeout=timeout, trust_env=False) as client:
            await asyncio.gather(*(self._ask_in_turn(client, place) for place in range(CLIENTS)))

    async def _ask_in_turn(self, client: httpx.AsyncClient, place: int) -> None:
        while not self.over.is_set():
            sight = await self._see(client, self._known[place % len(self._known)])
            self.sights.append(sight)
            place += CLIENTS
            await asyncio.sleep(PAUSE_S if sight.status else BROKEN_PAUSE_S)

    async def _see(self, client: httpx.AsyncClient, known: Known) -> Sight:
        request_id, began = uuid.uuid4().hex, time.monotonic()
        headers = self._server.headers | {
            "X-Request-Id": request_id,
            "X-Request-Timeout-Seconds": f"{LIMIT_S:g}",
            "Content-Type": "application/json",
        }
        try:
            answer = await client.post("/v1/rerank", content=known.body, headers=headers)
        except httpx.ReadTimeout:
            return Sight(request_id, began, time.monotonic() - began, hung=True)
        except httpx.HTTPError:
            return Sight(request_id, began, time.monotonic() - began)
        seconds = time.monotonic() - began
        if answer.status_code == 200:
            fault = known.fault_in(answer.content)
            told = 0 if fault else int(Decimal(answer.json()["usage"]["cost_usd"]) * NANO)
            return Sight(request_id, began, seconds, 200, fault, told)
        return Sight(request_id, began, seconds, answer.status_code, _fault_in_error(answer))


def _fault_in_error(answer: httpx.Response) -> str | None:
    """What is wrong with the form of an error; None where it is the API's own."""
    try:
        error = answer.json()["error"]
        complete = bool(error["code"]) and bool(error["message"])
    except (ValueError, KeyError, TypeError):
        return f"{answer.status_code} that is no error of the API's"
    if not complete or "x-request-id" not in answer.headers:
        return f"{answer.status_code} without code, message or request id"
    return None
