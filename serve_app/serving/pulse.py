"""Which replicas say nothing any more, though Ray takes them to be running."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass

ASK_AFTER_S = 2.0  # since a replica was last heard of
SILENT_S = 4.0  # a replica answers while it computes; on a machine with too few cores it may take a while
GIVE_UP_S = 30.0  # then it is asked again


@dataclass(frozen=True, slots=True)
class Question:
    """To one replica, whatever others have to do."""

    replica: str


class Pulse:
    """Of the replicas of a model, as one gateway feels it.

    ask: puts a question to a replica, and returns when that has answered. clock: seconds. Nobody is asked while nobody
    wants to know. Must be used on the event loop.
    """

    def __init__(
        self, ask: Callable[[Question], Awaitable[object]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask, self._clock = ask, clock
        self._heard: dict[str, float] = {}
        self._unanswered: dict[str, float] = {}  # since when
        self._asking: dict[str, asyncio.Task[None]] = {}

    def heard(self, replica: str) -> None:
        """Note that a replica has just answered something."""
        self._heard[replica] = self._clock()
        self._unanswered.pop(replica, None)

    def silent(self, replicas: Collection[str]) -> set[str]:
        """Those of the replicas that run which do not answer. Asks whoever has said nothing for a while."""
        now = self._clock()
        for known in (self._heard, self._unanswered):
            for gone in known.keys() - set(replicas):
                del known[gone]
        for replica in replicas:
            if replica not in self._asking and now - self._heard.get(replica, -math.inf) >= ASK_AFTER_S:
                self._unanswered.setdefault(replica, now)
                self._asking[replica] = asyncio.create_task(self._put(replica), name="ask a replica")
        return {replica for replica in replicas if now - self._unanswered.get(replica, now) >= SILENT_S}

    async def _put(self, replica: str) -> None:
        try:
            # Whatever else comes back is no answer; the next one who wants to know asks again.
            with suppress(Exception):
                async with asyncio.timeout(GIVE_UP_S):
                    await self._ask(Question(replica))
                self.heard(replica)
        finally:
            del self._asking[replica]
