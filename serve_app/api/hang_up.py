"""Work for a client that is gone is given up."""

import asyncio
from types import TracebackType
from typing import Self

from starlette.types import Receive


class HungUpError(Exception):
    """The client closed its connection before it had its answer. There is nobody to tell."""


class WhileConnected:
    """Entered around work on a request whose body has been read: cancels it the moment that the client hangs up.

    Leaving it raises HungUpError then. A cancellation that comes from elsewhere passes through.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._hung_up = False

    async def __aenter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None
        self._task, self._cancelled_before = task, task.cancelling()
        self._watcher = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        if not self._hung_up:
            return
        others = self._task.uncancel() > self._cancelled_before
        if kind is asyncio.CancelledError and not others:
            raise HungUpError from None

    def stop(self) -> None:
        """From here on the work is finished, whoever hears of it."""
        self._watcher.cancel()

    async def _watch(self) -> None:
        if (await self._receive())["type"] == "http.disconnect":
            self._hung_up = True
            self._task.cancel()
