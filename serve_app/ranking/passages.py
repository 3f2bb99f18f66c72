"""Documents to passages: what of each text the model reads, and the token ids around it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TokenIds = NDArray[np.int32]


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

    prefix, suffix: int32, the ids before and behind every passage; of a cross-encoder the prefix holds the query.
    query: int32, the query as a sequence of its own between prefix and suffix; None for a cross-encoder.
    token_ids: one int32 array a passage, without special tokens.
    documents: int32 (passages,), index of each passage's document.
    """

    prefix: TokenIds
    suffix: TokenIds
    query: TokenIds | None
    token_ids: list[TokenIds]
    documents: NDArray[np.int32]

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
    """A document, or the query (document -1), has more tokens than the model reads and must not be truncated."""

    def __init__(self, document: int, tokens: int, limit: int) -> None:
        super().__init__(f"{tokens:,} tokens where at most {limit:,} fit")
        self.document = document
        self.tokens = tokens
        self.limit = limit


def cut_query(query: TokenIds, form: InputFormat, *, max_tokens: int | None = None, truncate: bool = True) -> TokenIds:
    """The part of the query that is read.

    query: int32 (tokens,), without special tokens. max_tokens: the client's own limit, below the model's.
    Raises PassageTooLongError when it is longer than the model allows and truncate is false.
    """
    limit = form.max_query_tokens
    if not truncate and query.size > limit:
        raise PassageTooLongError(-1, query.size, limit)
    return query[: min(limit, max_tokens or limit)]


def cut_passages(
    query: TokenIds,
    documents: Sequence[TokenIds],
    form: InputFormat,
    *,
    max_tokens: int | None = None,
    truncate: bool = True,
    first_document: int = 0,
) -> Passages:
    """One passage a document: its beginning, as long as the model and the query leave room for.

    query: int32 (tokens,), already cut. documents: one int32 array each, without special tokens. first_document: index
    of the first of them in the request.
    Raises PassageTooLongError naming the first document that does not fit when truncate is false.
    """
    room = form.max_passage_tokens(query.size)
    if not truncate:
        for index, ids in enumerate(documents, first_document):
            if ids.size > room:
                raise PassageTooLongError(index, ids.size, room)
    kept = min(room, max_tokens or room)
    pair = form.reads_pairs
    return Passages(
        prefix=np.concatenate([form.opening, query, form.between]) if pair else form.opening,
        suffix=form.closing,
        query=None if pair else query,
        token_ids=[ids[:kept] for ids in documents],
        documents=np.arange(first_document, first_document + len(documents), dtype=np.int32),
    )
