"""Text to passages, part by part, in threads."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from serve_app.domain.answer import Span
from serve_app.domain.input_format import InputFormat, TokenIds
from serve_app.domain.passages import Passages, cut_passages, cut_texts
from serve_app.domain.prompts import NO_PROMPT, Prompt
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

    tokenizer, form: the model's. threads: in which texts are tokenised. query_prompt, prompt: what is put before
    queries, and before all other texts. tokens: that the model reads for what has been read so far, a query of its own
    once. seconds: that tokenising took.
    """

    tokenizer: Tokenizer
    form: InputFormat
    threads: TokenizerThreads
    reading: Reading
    query_prompt: Prompt = NO_PROMPT
    prompt: Prompt = NO_PROMPT
    tokens: int = field(default=0, init=False)
    seconds: float = field(default=0.0, init=False)

    async def groups(self, groups: Sequence[Group]) -> AsyncIterator[Passages]:
        """The passages of all groups' texts, which are counted through, part by part; a part may hold several groups.

        Raises PassageTooLongError when the request forbids to truncate; a query's document is less than 0: -1 of the
        first group, -2 of the second.
        """
        numbered = [
            (number, is_query, text) for number, group in enumerate(groups) for is_query, text in self._prompted(group)
        ]
        queries: list[TokenIds] = []
        read, counted = 0, False  # counted: whether the tokens of the query that is carried over are
        for wave in slices(numbered, WAVE_CHARACTERS, _characters):
            encoded = await self._timed(self.tokenizer.encode, [text for *_, text in wave])
            # A wave that begins within a group goes on with that group's query.
            queries = [] if wave[0][1] else queries[-1:]
            carried, documents, query_of = len(queries), [], []
            for (_, is_query, _), token_ids in zip(wave, encoded, strict=True):
                if is_query:
                    queries.append(token_ids)
                else:
                    documents.append(token_ids)
                    query_of.append(len(queries) - 1)
            if not documents:
                counted = False
                continue
            passages = cut_passages(
                queries,
                documents,
                self.form,
                self.reading,
                query_of=query_of,
                first_query=wave[0][0],
                first_document=read,
                query_prompt=self.query_prompt,
                prompt=self.prompt,
            )
            self.tokens += passages.total_tokens
            if carried and counted and not self.form.reads_pairs:
                self.tokens -= passages.queries[0].size + self.form.special_tokens
            counted = query_of[-1] == len(queries) - 1
            read += len(documents)
            yield passages

    def _prompted(self, group: Group) -> Iterator[tuple[bool, str]]:
        """The texts of a group as they are tokenised, and whether each is its query, which comes first."""
        yield True, self.query_prompt.text + group.query
        for text in group.texts:
            yield False, self.prompt.text + text

    async def texts(self, texts: Sequence[str | TokenIds], at_once: int) -> AsyncIterator[Passages]:
        """The passages of texts that are read without a query, in parts of at most this many texts.

        A text that is given as token ids has the prompt's own before it. Raises PassageTooLongError.
        """
        for first in range(0, len(texts), at_once):
            part = texts[first : first + at_once]
            strings = [self.prompt.text + text for text in part if isinstance(text, str)]
            encoded = iter(await self._timed(self.tokenizer.encode, strings))
            token_ids = [next(encoded) if isinstance(text, str) else self._prompted_ids(text) for text in part]
            passages = cut_texts(token_ids, self.form, self.reading, self.prompt, first)
            self.tokens += passages.total_tokens
            yield passages

    def _prompted_ids(self, text: TokenIds) -> TokenIds:
        prompt = self.prompt.token_ids
        return np.concatenate([prompt, text]) if prompt.size else text

    async def spans(self, texts: list[str]) -> list[list[Span]]:
        """Where each token of each text lies in it; those of its prompt lie at its beginning and are empty."""
        ahead = len(self.prompt.text)
        found = await self._timed(self.tokenizer.spans, [self.prompt.text + text for text in texts])
        if not ahead:
            return found
        return [[Span(max(span.start - ahead, 0), max(span.end - ahead, 0)) for span in spans] for spans in found]

    async def _timed(self, work: Callable[[list[str]], list[Result]], texts: list[str]) -> list[Result]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        results = await self.threads.run(work, texts)
        self.seconds += loop.time() - began
        return results


def _characters(numbered: tuple[int, bool, str]) -> int:
    return len(numbered[2])
