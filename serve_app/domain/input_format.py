"""How a model wants what it reads."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from serve_app.domain.request import Side

TokenIds = NDArray[np.int32]

# Which text of a pair is cut where both together are too long: see domain/truncation.py.
Truncation = Literal["longest_first", "query_to_three_quarters", "only_document"]

# How a bi-encoder compares a query's vector with a document's.
Similarity = Literal["cosine", "dot", "euclidean", "manhattan"]


@dataclass(frozen=True, slots=True)
class InputFormat:
    """How a model wants its input, as the special tokens that its own tokenizer adds.

    A cross-encoder reads `opening query between passage closing` as one sequence; a bi-encoder reads the query and each
    passage as sequences of their own, `opening text closing`.

    max_tokens: the longest sequence, special tokens included. between_in_first: how many of the tokens between query
    and passage are in the query's segment, 0; those behind them, the passage and the closing are in segment 1. None:
    all tokens are in segment 0. truncated_side: where texts are cut when the client does not say. truncation: of pairs.
    similarity: of a bi-encoder's vectors. shares_beginning: whether all up to the passage is computed once for the
    passages that begin so, since no token sees those behind it (a decoder). max_query_tokens: of the longest query
    where only the document is cut; None for as many as leave a token of it.
    """

    max_tokens: int
    reads_pairs: bool
    opening: TokenIds
    between: TokenIds
    closing: TokenIds
    between_in_first: int | None = None
    truncated_side: Side = "right"
    truncation: Truncation = "longest_first"
    similarity: Similarity = "cosine"
    shares_beginning: bool = False
    max_query_tokens: int | None = None

    @property
    def special_tokens(self) -> int:
        """Special tokens of one sequence."""
        return self.opening.size + self.closing.size + (self.between.size if self.reads_pairs else 0)

    @property
    def around_query(self) -> int | None:
        """Special tokens that are computed with a query once for all of its passages; None where a query is not."""
        if not self.reads_pairs:
            return self.special_tokens
        return self.opening.size + self.between.size if self.shares_beginning else None

    @property
    def room(self) -> int:
        """Tokens of text in the longest sequence; those of query and passage together in a pair."""
        return self.max_tokens - self.special_tokens

    def within(self, max_tokens: int | None) -> "InputFormat":
        """The same format with another maximum, unless its own is lower.

        max_tokens: more than the special tokens; None leaves the format as it is.
        """
        return self if max_tokens is None else replace(self, max_tokens=min(self.max_tokens, max_tokens))
