"""The threads in which a gateway's texts are tokenised, shared by all of its requests."""

import asyncio
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from serve_app.engine.tokenizer import Piece

# A large request gives way to small ones, which wait for the same threads, after this many characters.
BITE_CHARACTERS = 20_000
# How many threads tokenizers spread a list of texts over, all calls of a process together; read once, when first used.
SPREAD_OVER = "RAYON_NUM_THREADS"

Result = TypeVar("Result")
Item = TypeVar("Item")


class TokenizerThreads:
    """A number of threads. Tokenising releases Python's lock, so that each keeps a core busy.

    As many cores tokenise in all: each bite is spread over them, too, so that a lone one leaves none idle. Must be made
    before the process tokenises a list, or that takes every core that the process may use.

    alone: held by whoever keeps much of what is made until all of it is, so that one at a time does.
    """

    def __init__(self, count: int) -> None:
        os.environ[SPREAD_OVER] = str(count)
        self._count, self.alone = count, asyncio.Lock()
        self._executor = ThreadPoolExecutor(count, thread_name_prefix="tokenizer")

    async def run(self, work: Callable[[list[Piece]], list[Result]], pieces: Iterable[Piece]) -> list[Result]:
        """What work makes of each piece of some texts, in order.

        The pieces go to the threads in bites, one for each thread at a time, and other requests get in between. They
        are made when their turn comes. Cancelled, it ends with the bites that are in work: no further one is begun.
        """
        loop = asyncio.get_running_loop()
        results: list[Result] = []
        running: deque[asyncio.Future[list[Result]]] = deque()
        try:
            for bite in slices(pieces, BITE_CHARACTERS, _characters):
                if len(running) == self._count:
                    results += await running.popleft()
                running.append(loop.run_in_executor(self._executor, work, bite))
            while running:
                results += await running.popleft()
        finally:
            for bite_left in running:
                bite_left.cancel()
        return results

    def close(self) -> None:
        """End the threads; what has not begun never does."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _characters(piece: Piece) -> int:
    return len(piece.text)


def slices(items: Iterable[Item], characters: int, size: Callable[[Item], int]) -> Iterator[list[Item]]:
    """The items in order, in lists of about this many characters. size: the characters of one."""
    part: list[Item] = []
    held = 0
    for item in items:
        part.append(item)
        held += size(item)
        if held >= characters:
            yield part
            part, held = [], 0
    if part:
        yield part
