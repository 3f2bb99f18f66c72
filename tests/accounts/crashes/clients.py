"""Clients of two gateways that may die at any moment."""

import asyncio
import random
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx

from tests.accounts.crashes.gateways import GatewayProcess
from tests.accounts.crashes.tally import Attempt, Errand, Kind, Tally

KINDS: dict[Kind, int] = {
    "plain": 30,
    "keyed": 30,
    "hasty": 12,
    "hurried": 5,
    "invalid": 3,
    "too large": 2,
    "poor": 3,
    "unknown": 2,
}
PATIENCE_S = 6.0  # of a client, for one answer
AT_ONCE = 0.15  # of the requests with a key, sent to both gateways at the same time
NANO = 10**9


@dataclass(frozen=True, slots=True)
class Keys:
    """API keys. rich: of who has enough; poor: of who has not; unknown: nobody's."""

    rich: Sequence[str]
    poor: str
    unknown: str


class Client:
    """One who asks for one thing after the other until told to stop, and brings to its end what has a key."""

    def __init__(self, gateways: Sequence[GatewayProcess], keys: Keys, tally: Tally, stop: asyncio.Event) -> None:
        self._gateways, self._keys, self._tally, self._stop = gateways, keys, tally, stop

    async def run(self, last_s: float) -> None:
        """last_s: after the stop, for which a request with a key is tried again."""
        async with httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False) as self._http:
            while not self._stop.is_set():
                [kind] = random.choices(list(KINDS), list(KINDS.values()))
                errand = Errand(kind)
                self._tally.errands.append(errand)
                if kind == "keyed":
                    await self._insist(errand, last_s)
                else:
                    await self._attempt(errand, _body(kind), self._headers(kind), random.randrange(2))

    async def _insist(self, errand: Errand, last_s: float) -> None:
        """Ask with a key until there is an answer, now and then again after it."""
        body, headers = _body("keyed"), self._headers("keyed") | {"Idempotency-Key": uuid.uuid4().hex}
        again = random.random() < 0.1
        until: float | None = None
        while not errand.answers or again:
            again = again and not errand.answers
            if random.random() < AT_ONCE:
                await asyncio.gather(*(self._attempt(errand, body, headers, place) for place in (0, 1)))
            else:
                await self._attempt(errand, body, headers, random.randrange(2))
            if self._stop.is_set():
                until = until or time.monotonic() + last_s
                if time.monotonic() > until:
                    return
            if not errand.answers:
                await asyncio.sleep(random.uniform(0.02, 0.3))

    async def _attempt(self, errand: Errand, body: Any, headers: dict[str, str], place: int) -> None:
        gateway = self._gateways[place]
        attempt = Attempt(uuid.uuid4().hex, place, gateway.lives)
        errand.attempts.append(attempt)
        self._tally.requests += 1
        patience = random.uniform(0, 0.06) if errand.kind == "hasty" else PATIENCE_S
        try:
            async with asyncio.timeout(patience):
                headers = headers | {"X-Request-Id": attempt.request_id}
                answer = await self._http.post(f"{gateway.url}/v1/rerank", json=body, headers=headers)
            self._note(attempt, answer)
        except (httpx.HTTPError, TimeoutError):
            if errand.kind != "hasty":
                await asyncio.sleep(0.05)
        attempt.at = time.monotonic()

    def _note(self, attempt: Attempt, answer: httpx.Response) -> None:
        told = answer.json()
        attempt.status = answer.status_code
        if answer.status_code == 200:
            attempt.told, attempt.results = int(Decimal(told["usage"]["cost_usd"]) * NANO), told["results"]
            attempt.replayed = "Idempotent-Replayed" in answer.headers
            self._tally.delivered += 1
        else:
            attempt.code = told["error"]["code"]

    def _headers(self, kind: Kind) -> dict[str, str]:
        key = {"poor": self._keys.poor, "unknown": self._keys.unknown}.get(kind) or random.choice(self._keys.rich)
        deadline = {"X-Request-Timeout-Seconds": f"{random.uniform(0.005, 0.03):.4f}"} if kind == "hurried" else {}
        return {"Authorization": f"Bearer {key}", **deadline}


def _body(kind: Kind) -> dict[str, Any]:
    count = random.randint(1, 8)
    documents = [f"{random.random()} is a number " * random.randint(1, 20) for _ in range(count)]
    if kind == "invalid":
        return {"query": "", "documents": documents}
    if kind == "too large":
        return {"query": "number", "documents": ["much " * 60_000]}
    return {"query": "number", "documents": documents}
