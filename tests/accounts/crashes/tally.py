"""What clients have asked and were told, written down as it happens."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["plain", "keyed", "hasty", "hurried", "invalid", "too large", "poor", "unknown"]
REFUSED: dict[Kind, int] = {"invalid": 400, "too large": 413, "poor": 402, "unknown": 401}


@dataclass(slots=True)
class Attempt:
    """One request. life: of the gateway that was asked. status: None where no whole answer came.

    told: nano-dollars, as a 200 says. results: of a 200. replayed: whether it was given before. at: when it was over.
    """

    request_id: str
    gateway: int
    life: int
    status: int | None = None
    code: str = ""
    told: int = 0
    results: object = None
    replayed: bool = False
    at: float = 0.0


@dataclass(slots=True)
class Errand:
    """What a client wants: a request, or with an Idempotency-Key as many as it takes."""

    kind: Kind
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def answers(self) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.status == 200]


@dataclass(slots=True)
class Tally:
    errands: list[Errand] = field(default_factory=list)
    delivered: int = 0
    requests: int = 0

    async def some_answers(self, count: int, within_s: float) -> bool:
        """Whether so many more came in time; returns once they have."""
        enough, end = self.delivered + count, time.monotonic() + within_s
        while self.delivered < enough and time.monotonic() < end:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        return self.delivered >= enough
