"""Text to passages, part by part, in threads."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from serve_app.domain.input_format import InputFormat, TokenIds
from serve_app.domain.passages import Passages, cut_passages, cut_texts
from serve_app.domain.prompts import NO_PROMPT, Prompt
from serve_app.domain.request import Reading, Side
from serve_app.domain.trace import UNTRACED, Trace
from serve_app.engine.tokenizer import Piece, Places, Tokenizer
from serve_app.service.tokenizer_threads import BITE_CHARACTERS, TokenizerThreads, slices

# A large request goes to the replicas in waves of this many characters, about 50 ms of a core.
WAVE_CHARACTERS = 100_000
# More than most tokens have, so that what is tokenised first is mostly enough.
CHARACTERS_READ_PER_TOKEN = 6

Item = tuple[int, bool, str]  # a text: the number of its group, whether it is the group's query
Part = TypeVar("Part", bound=NDArray[np.int32])


@dataclass(frozen=True, slots=True)
class Group:
    """A query and the texts that are read beside it."""

    query: str
    texts: Sequence[str]


@dataclass(slots=True)
class Reader:
    """Reads the texts of one request as a model wants them.

    tokenizer, form: the model's. threads: in which texts are tokenised. query_prompt, prompt: what is put before
    queries, and before all other texts. trace: as in Terms. tokens: that the model reads for what has been read so
    far, a query of its own once. computed_tokens: that replicas compute for it. seconds: that tokenising took.
    """

    tokenizer: Tokenizer
    form: InputFormat
    threads: TokenizerThreads
    reading: Reading
    query_prompt: Prompt = NO_PROMPT
    prompt: Prompt = NO_PROMPT
    trace: Trace = UNTRACED
    tokens: int = field(default=0, init=False)
    computed_tokens: int = field(default=0, init=False)
    seconds: float = field(default=0.0, init=False)

    async def groups(self, groups: Sequence[Group]) -> AsyncIterator[Passages]:
        """The passages of all groups' texts, which are counted through, part by part; a part may hold several groups.

        Raises PassageTooLongError when the request forbids to truncate; a query's document is less than 0: -1 of the
        first group, -2 of the second.
        """
        reading = self.reading
        if self.form.truncation == "only_document" and reading.max_query_tokens is not None:
            # The query's own text is cut, and not what stands around it.
            groups = await self._with_short_queries(groups, reading.max_query_tokens)
            reading = replace(reading, max_query_tokens=None)
        numbered = [
            (number, is_query, text) for number, group in enumerate(groups) for is_query, text in self._prompted(group)
        ]
        queries: list[TokenIds] = []
        read, counted = 0, False  # counted: whether the tokens of the query that is carried over are
        for wave in slices(numbered, WAVE_CHARACTERS, self._characters):
            # A wave that begins within a group goes on with that group's query.
            queries = [] if wave[0][1] else queries[-1:]
            encoded = await self._wave(wave, queries)
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
                reading,
                query_of=query_of,
                first_query=wave[0][0],
                first_document=read,
                query_prompt=self.query_prompt,
                prompt=self.prompt,
            )
            self.tokens += passages.total_tokens
            self.computed_tokens += passages.computed_tokens
            if carried and counted and not self.form.reads_pairs:
                self.tokens -= passages.queries[0].size + self.form.special_tokens
            counted = query_of[-1] == len(queries) - 1
            read += len(documents)
            yield passages

    async def _with_short_queries(self, groups: Sequence[Group], most: int) -> list[Group]:
        """The groups with no more than this many tokens of each query."""
        side = self.reading.truncated_side or self.form.truncated_side
        parts = await self._parts(self.tokenizer.spans, [group.query for group in groups])
        return [
            replace(group, query=_shortened(group.query, np.concatenate(spans), most, side))
            for group, spans in zip(groups, parts, strict=True)
        ]

    async def _wave(self, wave: list[Item], carried: Sequence[TokenIds]) -> list[TokenIds]:
        """The token ids of a wave's texts: all that a query has, and of a document at least as many as can be read."""
        is_short = [is_query or len(text) <= BITE_CHARACTERS for _, is_query, text in wave]
        short = iter(await self._encode([text for (*_, text), whole in zip(wave, is_short, strict=True) if whole]))
        if all(is_short):
            return list(short)
        encoded = [next(short) if whole else None for whole in is_short]
        # What is kept of a pair depends on which text has more tokens: of a document at least the query's are counted.
        query = carried[-1].size if carried else 0
        long, most = [], list[int | None]()
        for (_, is_query, text), ids in zip(wave, encoded, strict=True):
            if is_query and ids is not None:
                query = ids.size
            elif ids is None:
                long.append(text)
                most.append(self._most_read(query))
        rest = iter(await self._encode(long, most))
        return [next(rest) if ids is None else ids for ids in encoded]

    def _most_read(self, query: int = 0) -> int | None:
        """Tokens of a document, its prompt's included, behind which nothing changes what is read of it.

        query: tokens of its query. None where all have to be counted.
        """
        reading, side = self.reading, self.reading.truncated_side or self.form.truncated_side
        if not reading.truncate or side == "left":
            return None
        asked = (
            None if reading.max_document_tokens is None else reading.max_document_tokens + self.prompt.token_ids.size
        )
        if reading.max_passages is None:
            return asked
        read = max(self.form.room * reading.max_passages, self.form.room + 1, query)
        return read if asked is None else min(read, asked)

    async def _encode(self, texts: Sequence[str], most: Sequence[int | None] = ()) -> list[TokenIds]:
        """The token ids of each text. most: how many of each are enough; more may come."""
        parts = await self._parts(self.tokenizer.encode_pieces, texts, most)
        return [ids[0] if len(ids) == 1 else np.concatenate(ids) for ids in parts]

    async def _parts(
        self, work: Callable[[list[Piece]], list[Part]], texts: Sequence[str], most: Sequence[int | None] = ()
    ) -> list[list[Part]]:
        """What work makes of each text's pieces, up to where there are enough tokens."""
        limits = most or [None] * len(texts)
        pieces = [
            self.tokenizer.pieces(text, _enough_characters(limit)) for text, limit in zip(texts, limits, strict=True)
        ]
        parts: list[list[Part]] = [[] for _ in texts]
        left = list(range(len(texts)))
        while left:
            owners: list[int] = []
            made = await self._timed(work, _turn(left, pieces, limits, owners))
            for owner, part in zip(owners, made, strict=True):
                parts[owner].append(part)
            left = [text for text in owners if limits[text] is not None and _tokens(parts[text]) < (limits[text] or 0)]
        return parts

    def _prompted(self, group: Group) -> Iterator[tuple[bool, str]]:
        """The texts of a group as they are tokenised, and whether each is its query, which comes first."""
        yield True, self.query_prompt.around(group.query)
        for text in group.texts:
            yield False, self.prompt.text + text

    async def texts(self, texts: Sequence[str | TokenIds], at_once: int) -> AsyncIterator[Passages]:
        """The passages of texts that are read without a query, in parts of at most this many texts.

        A text that is given as token ids has the prompt's own before it. Raises PassageTooLongError.
        """
        for first in range(0, len(texts), at_once):
            part = texts[first : first + at_once]
            strings = [self.prompt.text + text for text in part if isinstance(text, str)]
            encoded = iter(await self._encode(strings, [self._most_read()] * len(strings)))
            token_ids = [next(encoded) if isinstance(text, str) else self._prompted_ids(text) for text in part]
            passages = cut_texts(token_ids, self.form, self.reading, self.prompt, first)
            self.tokens += passages.total_tokens
            yield passages

    def _prompted_ids(self, text: TokenIds) -> TokenIds:
        prompt = self.prompt.token_ids
        return np.concatenate([prompt, text]) if prompt.size else text

    async def spans(self, texts: list[str], ends: Sequence[int]) -> list[Places]:
        """Where each token of each text lies in it; those of its prompt lie at its beginning and are empty.

        ends: how many tokens of each are enough.
        """
        ahead = len(self.prompt.text)
        parts = await self._parts(self.tokenizer.spans, [self.prompt.text + text for text in texts], ends)
        return [np.maximum(np.concatenate(each) - ahead, 0) for each in parts]

    async def _timed(self, work: Callable[[list[Piece]], list[Part]], pieces: Iterable[Piece]) -> list[Part]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        with self.trace.part("tokenize"):
            results = await self.threads.run(work, pieces)
        self.seconds += loop.time() - began
        return results

    def _characters(self, item: Item) -> int:
        """The characters of a text that are tokenised, about."""
        _, is_query, text = item
        most = None if is_query or len(text) <= BITE_CHARACTERS else self._most_read()
        return len(text) if most is None else min(len(text), _enough_characters(most))


def _shortened(text: str, spans: Places, most: int, side: Side) -> str:
    """As much of a text as has no more than so many tokens. spans: of its tokens. side: where it is cut."""
    if len(spans) <= most:
        return text
    if side == "right":
        # A character of several tokens is dropped with the first of them that is.
        return text[: min(spans[most, 0], spans[most - 1, 1] if most else 0)]
    return text[max(spans[-most - 1, 1], spans[-most, 0] if most else len(text)) :]


def _enough_characters(tokens: int | None) -> int:
    """How many characters to tokenise at once where so many tokens are needed."""
    return BITE_CHARACTERS if tokens is None else max(1, min(BITE_CHARACTERS, tokens * CHARACTERS_READ_PER_TOKEN))


def _turn(
    texts: Sequence[int], pieces: Sequence[Iterator[Piece]], limits: Sequence[int | None], owners: list[int]
) -> Iterator[Piece]:
    """The next pieces of these texts: one where few may be enough, otherwise all. owners: is told whose each is."""
    for text in texts:
        for piece in pieces[text] if limits[text] is None else islice(pieces[text], 1):
            owners.append(text)
            yield piece


def _tokens(parts: Sequence[NDArray[np.int32]]) -> int:
    return sum(len(part) for part in parts)
