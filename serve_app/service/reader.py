"""Text to passages, part by part, in threads."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TypeVar

from serve_app.domain.answer import Span
from serve_app.domain.passages import InputFormat, Passages, TokenIds, cut_passages, cut_query, cut_texts
from serve_app.domain.request import Reading
from serve_app.engine.tokenizer import Tokenizer

# A large request goes to the replicas in waves of so much, about 50 ms of a core …
WAVE_CHARACTERS = 100_000
# … and gives way to small ones, which wait for the same threads, after so much.
BITE_CHARACTERS = 20_000

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Group:
    """A query and the texts that are read beside it."""

    query: str
    texts: Sequence[str]


@dataclass(slots=True)
class Reader:
    """Reads the texts of one request as a model wants them.

    tokenizer, form: the model's. threads: in which texts are tokenised. tokens: that the model reads for what has been
    read so far, a query of its own once. seconds: that tokenising took.
    """

    tokenizer: Tokenizer
    form: InputFormat
    threads: Executor
    reading: Reading
    tokens: int = field(default=0, init=False)
    seconds: float = field(default=0.0, init=False)

    async def groups(self, groups: Sequence[Group]) -> AsyncIterator[Passages]:
        """The passages of all groups' texts, which are counted through, in parts of one group each.

        Raises PassageTooLongError when the request forbids to truncate; a query's document is less than 0: -1 of the
        first group, -2 of the second.
        """
        texts = [text for group in groups for text in (group.query, *group.texts)]
        ends = list(accumulate(1 + len(group.texts) for group in groups))
        place, number, read, fresh = 0, 0, 0, True
        query: TokenIds | None = None
        for wave in slices(texts, WAVE_CHARACTERS):
            token_ids, at = await self._in_bites(self.tokenizer.encode, wave), 0
            while at < len(token_ids):
                if query is None:
                    query = cut_query(token_ids[at], self.form, self.reading, number)
                    at, place, fresh = at + 1, place + 1, True
                taken = token_ids[at : at + ends[number] - place]
                at += len(taken)
                if taken:
                    passages = cut_passages(query, taken, self.form, self.reading, read)
                    # A query of its own comes with each part again.
                    self.tokens += passages.total_tokens - (0 if fresh else passages.query_tokens)
                    fresh = False
                    place, read = place + len(taken), read + len(taken)
                    yield passages
                if place == ends[number]:
                    number, query = number + 1, None

    async def texts(self, texts: Sequence[str | TokenIds], at_once: int) -> AsyncIterator[Passages]:
        """The passages of texts that are read without a query, in parts of at most so many texts.

        Raises PassageTooLongError.
        """
        for first in range(0, len(texts), at_once):
            part = texts[first : first + at_once]
            strings = [text for text in part if isinstance(text, str)]
            encoded = iter(await self._in_bites(self.tokenizer.encode, strings))
            token_ids = [next(encoded) if isinstance(text, str) else text for text in part]
            passages = cut_texts(token_ids, self.form, self.reading, first)
            self.tokens += passages.total_tokens
            yield passages

    async def spans(self, texts: list[str]) -> list[list[Span]]:
        """Where each token of each text lies in it."""
        return await self._in_bites(self.tokenizer.spans, texts)

    async def _in_bites(self, work: Callable[[list[str]], list[Result]], texts: list[str]) -> list[Result]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        results = await in_bites(work, texts, self.threads)
        self.seconds += loop.time() - began
        return results


async def in_bites(work: Callable[[list[str]], list[Result]], texts: list[str], threads: Executor) -> list[Result]:
    """What work makes of each text, done in threads that others get in between."""
    loop = asyncio.get_running_loop()
    bites = slices(texts, BITE_CHARACTERS)
    return [result for bite in bites for result in await loop.run_in_executor(threads, work, bite)]


def slices(texts: Sequence[str], characters: int) -> Iterator[list[str]]:
    """The texts in order, in lists of about so many characters."""
    part: list[str] = []
    held = 0
    for text in texts:
        part.append(text)
        held += len(text)
        if held >= characters:
            yield part
            part, held = [], 0
    if part:
        yield part
