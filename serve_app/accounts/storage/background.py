"""Work on the database beside the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection

from serve_app.accounts.storage.database import Database

Given = ParamSpec("Given")
Result = TypeVar("Result")

THREADS = 2  # a statement that reads a million rows does not stop all others


class Background:
    """The database, asked from an event loop. Requests' credit goes past it, through Commits."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="accounts")

    async def write(
        self, work: Callable[Concatenate[Connection, Given], Result], *given: Given.args, **named: Given.kwargs
    ) -> Result:
        """See Database.write."""
        call = partial(self._database.write, work, *given, **named)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def read(
        self, work: Callable[Concatenate[Connection, Given], Result], *given: Given.args, **named: Given.kwargs
    ) -> Result:
        """See Database.read."""
        call = partial(self._database.read, work, *given, **named)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()
