"""How much is read of a query and a document that are too long together."""

import numpy as np
from numpy.typing import NDArray

from serve_app.domain.input_format import InputFormat

Tokens = NDArray[np.int64]


def kept_of_queries(queries: Tokens, documents: Tokens, form: InputFormat) -> Tokens:
    """How many tokens are kept of each pair's query; what they leave of `form.room` is the passage's.

    queries, documents: int64 (pairs,), tokens of each text.
    longest_first takes tokens from the longer text until both fit; where both are longer than half, each gets half.
    Source: `truncate_encodings` of the tokenizers library, which sentence-transformers' CrossEncoder relies on.
    query_to_three_quarters cuts a query to three quarters of the longest sequence, whatever the document is, and then
    the document. Source: FlagEmbedding's FlagReranker.
    only_document cuts no query; none may be longer than `longest_query`.
    """
    if form.truncation == "only_document":
        return queries
    if form.truncation == "query_to_three_quarters":
        return np.minimum(queries, min(form.max_tokens * 3 // 4, form.room))
    room = form.room
    shorter, longer = np.minimum(queries, documents), np.maximum(queries, documents)
    longer = np.where(shorter > room, shorter, np.maximum(shorter, room - shorter))
    halved = shorter + longer > room
    shorter, longer = np.where(halved, room // 2, shorter), np.where(halved, room // 2 + room % 2, longer)
    kept: Tokens = np.where(queries > documents, longer, shorter)
    return np.where(queries + documents <= room, queries, kept)


def longest_query(form: InputFormat) -> int:
    """Tokens of the longest query of which nothing need be dropped, as long as its document is short enough."""
    if not form.reads_pairs:
        return form.room
    if form.truncation == "query_to_three_quarters":
        return min(form.max_tokens * 3 // 4, form.room)
    if form.max_query_tokens is not None:
        return min(form.max_query_tokens, form.room - 1)
    return form.room - 1
