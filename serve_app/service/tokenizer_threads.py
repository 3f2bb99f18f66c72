"""The threads in which a gateway's texts are tokenised, shared by all of its requests."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

# A large request gives way to small ones, which wait for the same threads, after this many characters.
BITE_CHARACTERS = 20_000

Result = TypeVar("Result")
Item = TypeVar("Item")


class TokenizerThreads:
    """A number of threads. Tokenising releases Python's lock, so that each keeps a core busy."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._executor = ThreadPoolExecutor(count, thread_name_prefix="tokenizer")

    async def run(self, work: Callable[[list[str]], list[Result]], texts: list[str]) -> list[Result]:
        """What work makes of each text, in order.

        The texts go to the threads in bites, one for each thread at a time, and other requests get in between.
        Cancelled, it ends with the bites that are in work: no further text is begun.
        """
        loop = asyncio.get_running_loop()
        results: list[Result] = []
        running: deque[asyncio.Future[list[Result]]] = deque()
        try:
            for bite in slices(texts, BITE_CHARACTERS, len):
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


def slices(items: Sequence[Item], characters: int, size: Callable[[Item], int]) -> Iterator[list[Item]]:
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
