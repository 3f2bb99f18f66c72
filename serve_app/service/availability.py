"""Whether a model can be asked: awake, waking, or failed."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from serve_app.domain.errors import ServiceError
from serve_app.domain.model import ModelStatus

FIRST_START_S = 20.0  # what a start is taken to need before one was seen
MARGIN = 1.5  # starts differ, and who comes too early is refused again
FAILURE_KNOWN_S = 2.0
SILENT = "its replicas run and do not answer"
ASK_S = 1.0  # a controller that does not answer must not hold requests up


class Availability:
    """Of one model, as one gateway sees it.

    running: how many replicas run. wake: has the first replica started, and returns when it serves; None where some
    always run. find_failure: asks why none runs, None when nothing failed; it may be slow. silent: whether none of
    those that run answers. starts: how often a cold model was woken.
    """

    def __init__(
        self,
        running: Callable[[], int],
        wake: Callable[[], Awaitable[object]] | None = None,
        find_failure: Callable[[], Awaitable[str | None]] | None = None,
        clock: Callable[[], float] = time.monotonic,
        silent: Callable[[], bool] = lambda: False,
    ) -> None:
        self._silent = silent
        self._running, self._wake, self._find_failure, self._clock = running, wake, find_failure, clock
        self._waking: asyncio.Task[None] | None = None
        self._waking_since = 0.0
        self.starts = 0
        self._last_start_s = FIRST_START_S
        self._failure: str | None = None
        self._failure_asked_at = -math.inf
        self._asking: asyncio.Task[None] | None = None

    @property
    def status(self) -> ModelStatus:
        """What `/v1/models` says. Must be called on the event loop."""
        if self._running():
            return "failed" if self._silent() else "ready"
        self._ask()
        if self._failure:
            return "failed"
        return "cold" if self._wake and not self._wakes else "loading"

    @property
    def failure(self) -> str | None:
        """Why the model cannot be asked, where that is known."""
        if self._running():
            return SILENT if self._silent() else None
        return self._failure

    @property
    def wanting(self) -> bool:
        """Whether no replica runs though one should: the model never sleeps, or was woken."""
        return not self._running() and (self._wake is None or self._wakes)

    async def require(self, wait_s: float) -> None:
        """Return when the model can be asked, or is about to be able again.

        A cold one is woken, and waited for up to wait_s seconds. Raises ServiceError: model_cold, which says when to
        ask again; unavailable when the model has failed.
        """
        if self._running():
            return
        self._ask()
        if self._asking:
            await asyncio.wait({self._asking}, timeout=ASK_S)
        if self._failure and not self._running():
            raise ServiceError(
                "unavailable", f"the model has failed: {self._failure}", retry_after_s=MARGIN * self._last_start_s
            )
        if self._wake is None:
            return
        waking = self._start()
        if wait_s:
            await asyncio.wait({waking}, timeout=wait_s)
        if not self._running():
            wait = math.ceil(max(MARGIN * self._last_start_s - (self._clock() - self._waking_since), 1.0))
            hint = f'"Prefer: wait={wait}" holds the request until then'
            raise ServiceError(
                "model_cold", f"the model is starting; ask again in {wait} s ({hint})", retry_after_s=wait
            )

    @property
    def _wakes(self) -> bool:
        return self._waking is not None and not self._waking.done()

    def _start(self) -> asyncio.Task[None]:
        if self._waking is None or self._waking.done():
            self._waking_since = self._clock()
            self.starts += 1
            self._waking = asyncio.create_task(self._see_it_start(), name="wake")
        return self._waking

    async def _see_it_start(self) -> None:
        assert self._wake is not None
        # What went wrong is found out by find_failure; the next request tries again.
        with suppress(Exception):
            await self._wake()
            self._last_start_s = self._clock() - self._waking_since

    def _ask(self) -> None:
        """Find out in the background whether the model has failed, now and then."""
        still_asking = self._asking is not None and not self._asking.done()
        if self._find_failure is None or still_asking or self._clock() - self._failure_asked_at < FAILURE_KNOWN_S:
            return
        self._failure_asked_at = self._clock()
        self._asking = asyncio.create_task(self._note_failure(), name="find failure")

    async def _note_failure(self) -> None:
        assert self._find_failure is not None
        with suppress(Exception):
            self._failure = await self._find_failure()
