"""Text to passages, part by part, in threads."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TypeVar

from serve_app.domain.answer import Span
from serve_app.domain.passages import InputFormat, Passages, TokenIds, cut_passages, cut_query, cut_texts
from serve_app.domain.request import Reading
from serve_app.engine.tokenizer import Tokenizer
from serve_app.service.tokenizer_threads import TokenizerThreads, slices

# A large request goes to the replicas in waves of this many characters, about 50 ms of a core.
WAVE_CHARACTERS = 100_000

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
    threads: TokenizerThreads
    reading: Reading
    tokens: int = field(default=0, init=False)
    seconds: float = field(default=0.0, init=False)

    async def groups(self, groups: Sequence[Group]) -> AsyncIterator[Passages]:
        """The passages of all groups' texts, which are counted through, in parts of one group each.

        Raises PassageTooLongError when the request forbids to truncate; a query's document is less than 0: -1 of the
        first group, -2 of the second.
        """
        numbered = [(number, text) for number, group in enumerate(groups) for text in (group.query, *group.texts)]
        query: TokenIds | None = None
        current, read, counted = -1, 0, False
        for wave in slices(numbered, WAVE_CHARACTERS, _characters):
            encoded = await self._timed(self.tokenizer.encode, [text for _, text in wave])
            for number, members in groupby(zip(wave, encoded, strict=True), key=lambda member: member[0][0]):
                texts = [token_ids for _, token_ids in members]
                if number != current:  # each group's query comes first
                    query = cut_query(texts.pop(0), self.form, self.reading, number)
                    current, counted = number, False
                if not texts:
                    continue
                assert query is not None
                passages = cut_passages(query, texts, self.form, self.reading, read)
                # A query of its own comes with each part again.
                self.tokens += passages.total_tokens - (passages.query_tokens if counted else 0)
                read, counted = read + len(texts), True
                yield passages

    async def texts(self, texts: Sequence[str | TokenIds], at_once: int) -> AsyncIterator[Passages]:
        """The passages of texts that are read without a query, in parts of at most this many texts.

        Raises PassageTooLongError.
        """
        for first in range(0, len(texts), at_once):
            part = texts[first : first + at_once]
            strings = [text for text in part if isinstance(text, str)]
            encoded = iter(await self._timed(self.tokenizer.encode, strings))
            token_ids = [next(encoded) if isinstance(text, str) else text for text in part]
            passages = cut_texts(token_ids, self.form, self.reading, first)
            self.tokens += passages.total_tokens
            yield passages

    async def spans(self, texts: list[str]) -> list[list[Span]]:
        """Where each token of each text lies in it."""
        return await self._timed(self.tokenizer.spans, texts)

    async def _timed(self, work: Callable[[list[str]], list[Result]], texts: list[str]) -> list[Result]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        results = await self.threads.run(work, texts)
        self.seconds += loop.time() - began
        return results


def _characters(numbered: tuple[int, str]) -> int:
    return len(numbered[1])
