"""Something asynchronous for code that is not: an event loop in a thread of its own."""

import asyncio
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

Held = TypeVar("Held")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Entered(Generic[Held]):
    """A context manager's inside. stop: has it left; of the loop's thread."""

    held: Held
    loop: asyncio.AbstractEventLoop
    stop: Callable[[], object]


class OwnLoop(Generic[Held]):
    """What a context manager yields, in a loop of its own, until it is closed or nobody has it any more.

    held: what it yields, to be used in coroutines that are given to run.
    """

    def __init__(self, manager: AbstractAsyncContextManager[Held]) -> None:
        """Enter the context manager. Raises what it raises."""
        opened: Future[Entered[Held]] = Future()
        # A daemon, so that a program that forgets to close can end. It knows no OwnLoop: that one could never be freed.
        thread = threading.Thread(target=_run, args=(manager, opened), name="own-loop", daemon=True)
        thread.start()
        entered = opened.result()
        self.held, self._loop = entered.held, entered.loop
        self._close = weakref.finalize(self, _end, entered.loop, entered.stop, thread)
        self._close.atexit = False  # executors take no work any more by then

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """A coroutine's result, computed in the loop. Interrupted, it is cancelled. Raises RuntimeError once closed."""
        if not self._close.alive:
            coroutine.close()
            raise RuntimeError("closed")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Leave the context manager and end the thread. Once more does nothing."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _run(manager: AbstractAsyncContextManager[Held], opened: Future[Entered[Held]]) -> None:
    asyncio.run(_hold(manager, opened))


async def _hold(manager: AbstractAsyncContextManager[Held], opened: Future[Entered[Held]]) -> None:
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        try:
            held = await stack.enter_async_context(manager)
        except BaseException as error:
            opened.set_exception(error)
            return
        opened.set_result(Entered(held, asyncio.get_running_loop(), stop.set))
        await stop.wait()


def _end(loop: asyncio.AbstractEventLoop, stop: Callable[[], object], thread: threading.Thread) -> None:
    loop.call_soon_threadsafe(stop)
    if threading.current_thread() is not thread:  # the last reference may go anywhere
        thread.join()
