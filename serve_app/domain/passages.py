"""Documents to passages: what of each text the model reads, and the token ids around it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from serve_app.domain.request import Reading

TokenIds = NDArray[np.int32]
DEFAULT_READING = Reading()

# Each passage of a document but the first begins with so much of the one before it: what a cut would part is whole in
# one of them.
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
        """The same for sequences of at most so many tokens, which must be more than the special ones; None for all."""
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

    prefix, suffix: int32, the ids before and behind every passage. pair: the prefix holds the query.
    query: int32, the query as a sequence of its own between prefix and suffix; None in pairs and for texts without one.
    token_ids: one int32 array a passage, without special tokens.
    documents, starts: int32 (passages,), index of each passage's document, and of its first token in that.
    """

    prefix: TokenIds
    suffix: TokenIds
    pair: bool
    query: TokenIds | None
    token_ids: list[TokenIds]
    documents: NDArray[np.int32]
    starts: NDArray[np.int32]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of the sequence that each passage is scored in, special tokens and a pair's query included."""
        around = self.prefix.size + self.suffix.size
        return np.fromiter((ids.size + around for ids in self.token_ids), dtype=np.int64, count=len(self.token_ids))

    @property
    def total_tokens(self) -> int:
        """Tokens that the model reads for all of them."""
        return int(self.lengths.sum()) + self.query_tokens

    @property
    def query_tokens(self) -> int:
        """Tokens that the model reads for a query of its own; 0 of a cross-encoder."""
        return 0 if self.query is None else self.prefix.size + self.query.size + self.suffix.size


class PassageTooLongError(ValueError):
    """A text has more tokens than the model reads and must not be truncated.

    document: its index; of a query, -1 less its number.
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
    return kept(query, min(limit, asked), reading)


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
    pair = form.reads_pairs
    token_ids, owners, starts = _cut(documents, form.max_passage_tokens(query.size), reading, first_document)
    return Passages(
        prefix=np.concatenate([form.opening, query, form.between]) if pair else form.opening,
        suffix=form.closing,
        pair=pair,
        query=None if pair else query,
        token_ids=token_ids,
        documents=owners,
        starts=starts,
    )


def cut_texts(texts: Sequence[TokenIds], form: InputFormat, reading: Reading, first_text: int = 0) -> Passages:
    """The passages of texts that are read without a query. Arguments and errors as of cut_passages."""
    token_ids, owners, starts = _cut(texts, form.max_passage_tokens(0), reading, first_text)
    return Passages(form.opening, form.closing, False, None, token_ids, owners, starts)


def passage_count(tokens: int, room: int) -> int:
    """How many passages of at most `room` tokens a text of so many has."""
    return 1 if tokens <= room or room < 1 else 1 + -(-(tokens - room) // _stride(room))


def kept(token_ids: TokenIds, limit: int, reading: Reading) -> TokenIds:
    """At most so many tokens of a text."""
    return token_ids[max(token_ids.size - limit, 0) :] if reading.truncated_side == "left" else token_ids[:limit]


def _cut(
    texts: Sequence[TokenIds], room: int, reading: Reading, first: int
) -> tuple[list[TokenIds], NDArray[np.int32], NDArray[np.int32]]:
    """The passages of texts in order, the index of each one's text, and of its first token in that."""
    stride = _stride(room)
    reach = None if reading.max_passages is None else room + (reading.max_passages - 1) * stride
    passages: list[TokenIds] = []
    owners: list[int] = []
    starts: list[int] = []
    for index, whole in enumerate(texts, first):
        size = min(whole.size, reading.max_document_tokens or whole.size)
        if reach is not None and size > reach:
            if not reading.truncate:
                raise PassageTooLongError(index, whole.size, reach)
            size = reach
        dropped = whole.size - size if reading.truncated_side == "left" else 0
        for number in range(passage_count(size, room)):
            start = dropped + number * stride
            passages.append(whole[start : min(start + room, dropped + size)])
            owners.append(index)
            starts.append(start)
    return passages, np.array(owners, dtype=np.int32), np.array(starts, dtype=np.int32)


def _stride(room: int) -> int:
    """Tokens from the start of one passage to that of the next."""
    return max(room - int(room * OVERLAP), 1)
