"""Documents to passages: what of each text the model reads, and the token ids around it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from serve_app.domain.request import Reading

TokenIds = NDArray[np.int32]
DEFAULT_READING = Reading()

# Each passage begins with this part of the one before it, so that what a cut would part is whole in one of the two.
OVERLAP = 1 / 8


@dataclass(frozen=True, slots=True)
class InputFormat:
    """How a model wants its input, as the special tokens that its own tokenizer adds.

    A cross-encoder reads `opening query between passage closing` as one sequence; a bi-encoder reads the query and each
    passage as sequences of their own, `opening text closing`.

    max_tokens: the longest sequence, special tokens included.
    """

    max_tokens: int
    reads_pairs: bool
    opening: TokenIds
    between: TokenIds
    closing: TokenIds

    @property
    def special_tokens(self) -> int:
        """Special tokens of one sequence."""
        return self.opening.size + self.closing.size + (self.between.size if self.reads_pairs else 0)

    def within(self, max_tokens: int | None) -> "InputFormat":
        """The same format with another maximum, unless its own is lower.

        max_tokens: more than the special tokens; None leaves the format as it is.
        """
        return self if max_tokens is None else replace(self, max_tokens=min(self.max_tokens, max_tokens))

    @property
    def max_query_tokens(self) -> int:
        """Tokens kept of a query: three quarters of the maximum in a pair (FlagEmbedding's FlagReranker)."""
        room = self.max_tokens - self.special_tokens
        return min(self.max_tokens * 3 // 4, room) if self.reads_pairs else room

    def max_passage_tokens(self, query_tokens: int) -> int:
        """Tokens left for a passage beside a query of this many tokens."""
        return self.max_tokens - self.special_tokens - (query_tokens if self.reads_pairs else 0)


@dataclass(frozen=True, slots=True)
class Passages:
    """What a model reads to rank the documents of one request.

    prefix, suffix: int32, the ids before and behind every passage. pair: whether the prefix holds the query.
    query: int32, the query as a sequence of its own between prefix and suffix; None in pairs and for texts without one.
    token_ids: one int32 array a passage, without special tokens.
    lengths: int64 (passages,), tokens of the sequence that each passage is scored in: prefix and suffix included.
    documents: int32 (passages,), index of each passage's document. starts: int32 (passages,), index of each passage's
    first token in its document.
    """

    prefix: TokenIds
    suffix: TokenIds
    pair: bool
    query: TokenIds | None
    token_ids: list[TokenIds]
    lengths: NDArray[np.int64]
    documents: NDArray[np.int32]
    starts: NDArray[np.int32]

    @property
    def around(self) -> int:
        """Tokens of prefix and suffix together."""
        return self.prefix.size + self.suffix.size

    @property
    def total_tokens(self) -> int:
        """Tokens that the model reads for all passages, and for a query of its own."""
        return int(self.lengths.sum()) + self.query_tokens

    @property
    def query_tokens(self) -> int:
        """Tokens that the model reads for a query of its own; 0 for a cross-encoder."""
        return 0 if self.query is None else self.query.size + self.around


class PassageTooLongError(ValueError):
    """A text has more tokens than the model reads and must not be truncated.

    document: the document's index; for a query -1 less the query's number. tokens: of the text. limit: the most that
    fits.
    """

    def __init__(self, document: int, tokens: int, limit: int) -> None:
        super().__init__(f"{tokens:,} tokens where at most {limit:,} fit")
        self.document = document
        self.tokens = tokens
        self.limit = limit


def cut_query(query: TokenIds, form: InputFormat, reading: Reading = DEFAULT_READING, number: int = 0) -> TokenIds:
    """The part of the query that is read.

    query: int32 (tokens,), without special tokens. number: which query of the request it is.
    Raises PassageTooLongError when it is longer than the model allows and must not be truncated.
    """
    limit, asked = form.max_query_tokens, reading.max_query_tokens or query.size
    if not reading.truncate and min(query.size, asked) > limit:
        raise PassageTooLongError(-1 - number, query.size, limit)
    limit = min(limit, asked)
    return query[max(query.size - limit, 0) :] if reading.truncated_side == "left" else query[:limit]


def cut_passages(
    query: TokenIds,
    documents: Sequence[TokenIds],
    form: InputFormat,
    reading: Reading = DEFAULT_READING,
    first_document: int = 0,
) -> Passages:
    """The passages of documents beside a query.

    query: int32 (tokens,), already cut. documents: one int32 array each, without special tokens. first_document: index
    of the first of them in the request.
    Raises PassageTooLongError naming the first document that does not fit and must not be truncated.
    """
    room = form.max_passage_tokens(query.size)
    if form.reads_pairs:
        prefix = np.concatenate([form.opening, query, form.between])
        return _cut(documents, room, reading, first_document, prefix=prefix, suffix=form.closing, pair=True)
    return _cut(documents, room, reading, first_document, prefix=form.opening, suffix=form.closing, query=query)


def cut_texts(texts: Sequence[TokenIds], form: InputFormat, reading: Reading, first_text: int = 0) -> Passages:
    """The passages of texts that are read without a query. Arguments and errors are those of cut_passages."""
    return _cut(texts, form.max_passage_tokens(0), reading, first_text, prefix=form.opening, suffix=form.closing)


def passage_counts(tokens: NDArray[np.int64], room: int) -> NDArray[np.int64]:
    """How many passages of at most `room` tokens a text has.

    tokens: int64 (texts,), tokens of each text. Returns int64 (texts,), each 1 or more.
    """
    if room < 1:
        return np.ones_like(tokens)
    return 1 + np.maximum(-(-(tokens - room) // _stride(room)), 0)


def _cut(
    texts: Sequence[TokenIds],
    room: int,
    reading: Reading,
    first: int,
    *,
    prefix: TokenIds,
    suffix: TokenIds,
    pair: bool = False,
    query: TokenIds | None = None,
) -> Passages:
    """The passages of texts in order, each of at most `room` tokens. first: index of the first text."""
    sizes = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    read = _tokens_read(sizes, room, reading, first)
    counts = passage_counts(read, room)
    texts_of = np.repeat(np.arange(sizes.size), counts)
    numbers = np.arange(texts_of.size) - np.repeat(np.cumsum(counts) - counts, counts)  # of a text's passages
    dropped = sizes - read if reading.truncated_side == "left" else np.zeros_like(sizes)
    starts = dropped[texts_of] + numbers * _stride(room)
    ends = np.minimum(starts + room, (dropped + read)[texts_of])
    places = zip(texts_of.tolist(), starts.tolist(), ends.tolist(), strict=True)
    return Passages(
        prefix=prefix,
        suffix=suffix,
        pair=pair,
        query=query,
        token_ids=[texts[text][start:end] for text, start, end in places],
        lengths=ends - starts + prefix.size + suffix.size,
        documents=(texts_of + first).astype(np.int32),
        starts=starts.astype(np.int32),
    )


def _tokens_read(sizes: NDArray[np.int64], room: int, reading: Reading, first: int) -> NDArray[np.int64]:
    """How many tokens of each text are read. Raises PassageTooLongError where some must not be dropped."""
    read = sizes if reading.max_document_tokens is None else np.minimum(sizes, reading.max_document_tokens)
    if reading.max_passages is None:
        return read
    reach = room + (reading.max_passages - 1) * _stride(room)
    if not reading.truncate and (too_long := np.flatnonzero(read > reach)).size:
        text = int(too_long[0])
        raise PassageTooLongError(first + text, int(sizes[text]), reach)
    return np.minimum(read, reach)


def _stride(room: int) -> int:
    """Tokens from the start of one passage to that of the next."""
    return max(room - int(room * OVERLAP), 1)
