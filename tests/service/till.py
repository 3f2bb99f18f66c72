"""A meter that keeps what it was asked."""

import asyncio

from serve_app.domain.answer import Usage
from serve_app.domain.meter import Quote


class Till:
    """quotes, usages: that were authorised, and captured. log: the amounts held, captured and released, in order.

    broken: raised on authorising. seconds, capture_s, release_s: that each takes.
    """

    def __init__(self, *, broken: Exception | None = None, seconds: float = 0.0) -> None:
        self._broken, self._seconds, self.capture_s, self.release_s = broken, seconds, 0.0, 0.0
        self.log: list[tuple[str, int]] = []
        self.quotes: list[Quote] = []
        self.usages: list[Usage] = []

    async def authorise(self, quote: Quote) -> "TillHold":
        await asyncio.sleep(self._seconds)
        if self._broken:
            raise self._broken
        self.quotes.append(quote)
        self.log.append(("hold", quote.nano_dollars))
        return TillHold(self)


class TillHold:
    def __init__(self, till: Till) -> None:
        self._till = till

    async def capture(self, usage: Usage) -> None:
        await asyncio.sleep(self._till.capture_s)
        self._till.usages.append(usage)
        self._till.log.append(("capture", usage.nano_dollars))

    async def release(self) -> None:
        await asyncio.sleep(self._till.release_s)
        self._till.log.append(("release", 0))
