"""Asking about several queries at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")


async def for_each(items: Iterable[Item], do: Callable[[Item], Awaitable[object]], *, at_once: int) -> None:
    """Do something with each item, begun in their order, so many of them at a time.

    Where one fails, the others are cancelled, and its error is raised as it is.
    """
    left = iter(items)

    async def work() -> None:
        for item in left:
            await do(item)

    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(at_once):
                workers.create_task(work())
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
