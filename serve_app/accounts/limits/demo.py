"""What is scored for nothing, for who has no key."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from serve_app.accounts.limits.counters import Away, Count, Counters, Window
from serve_app.accounts.limits.rates import MINUTE, duration
from serve_app.domain.errors import ServiceError
from serve_app.settings import DemoSettings

HINT = "An account has no such limit."
DAY = timedelta(days=1)
LATE_S = 60.0  # a day's count outlives it by this, for gateways whose clocks are behind


class Demo:
    """The free allowance of addresses: so much for each, so much for all. Where it cannot be counted, it is closed."""

    def __init__(
        self, settings: DemoSettings, counters: Counters, minute_s: float = MINUTE, now: Callable[[], float] = time.time
    ) -> None:
        self._settings, self._counters, self._minute_s, self._now = settings, counters, minute_s, now

    async def enter(self, address: str) -> None:
        """Count one request. Raises ServiceError: rate_limited, unavailable."""
        limit = self._settings.requests_per_minute
        count = await self._take([Window(f"requests:demo:{address}", limit, self._minute_s)])
        if not count.taken:
            (ends_s,) = count.ends_s
            message = (
                f"the demo answers {limit:,} requests a minute from one address; the minute ends in "
                f"{duration(ends_s)}. {HINT}"
            )
            raise ServiceError("rate_limited", message, retry_after_s=ends_s)

    async def take(self, address: str, documents: int) -> None:
        """Count the documents of a request for its address and for all, or for none.

        Raises ServiceError: invalid_request for more than one request may have, rate_limited, unavailable.
        """
        settings = self._settings
        most = min(settings.documents_per_request, settings.documents_per_day_per_address, settings.documents_per_day)
        if documents > most:
            message = f"this request has {documents:,} documents; the demo takes {most:,} in one. {HINT}"
            raise ServiceError("invalid_request", message, param="documents", fault="size")
        if not documents:
            return
        day, left_s = self._today()
        windows = [
            Window(
                f"documents:demo:{address}:{day}", settings.documents_per_day_per_address, left_s + LATE_S, documents
            ),
            Window(f"documents:demo:{day}", settings.documents_per_day, left_s + LATE_S, documents),
        ]
        count = await self._take(windows)
        if count.taken:
            return
        for window, used, whom in zip(windows, count.used, ("one address", "all together"), strict=True):
            if used + documents > window.limit:
                message = (
                    f"the demo scores {window.limit:,} documents a day for {whom}: {max(0, window.limit - used):,} are "
                    f"left, and this request has {documents:,}. The next day begins at midnight UTC. "
                    f"{HINT}"
                )
                raise ServiceError("rate_limited", message, retry_after_s=left_s)

    async def _take(self, windows: list[Window]) -> Count:
        try:
            return await self._counters.take(windows)
        except Away as away:
            message = "the demo is closed for the moment: its allowance cannot be counted"
            raise ServiceError("unavailable", message, retry_after_s=away.retry_after_s) from away

    def _today(self) -> tuple[str, float]:
        """The day of UTC, and the seconds that are left of it."""
        now = datetime.fromtimestamp(self._now(), UTC)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + DAY
        return str(now.date()), (midnight - now).total_seconds()
