"""Documents to passages: what of each text the model reads."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serve_app.domain.cuts import MOST, Cuts
from serve_app.domain.input_format import InputFormat, TokenIds
from serve_app.domain.prompts import NO_PROMPT, Prompt
from serve_app.domain.request import Reading, Side
from serve_app.domain.truncation import Tokens, kept_of_queries, longest_query

DEFAULT_READING = Reading()


@dataclass(frozen=True, slots=True)
class Passages:
    """What a model reads to rank documents beside queries, or of texts without a query.

    queries: one int32 array each, as much of it as is read; the same query may come several times, cut differently.
    query_of: int32 (passages,), index of each passage's query; zeros where there are no queries.
    token_ids: one int32 array a passage, without special tokens. sizes: int64 (passages,), how many tokens of its
    document it has: all but the prompt that is repeated. lengths: int64 (passages,), tokens of the sequence that each
    passage is scored in.
    documents: int32 (passages,), index of each passage's document. starts: int32 (passages,), index of each passage's
    first token in its document.
    query_prompt, prompt: tokens at the beginning of a query's and of a passage's sequence that pooling leaves out.
    """

    form: InputFormat
    queries: list[TokenIds]
    query_of: NDArray[np.int32]
    token_ids: list[TokenIds]
    sizes: Tokens
    lengths: Tokens
    documents: NDArray[np.int32]
    starts: NDArray[np.int32]
    query_prompt: int = 0
    prompt: int = 0

    @property
    def query_tokens(self) -> int:
        """Tokens that the model reads for queries as sequences of their own; 0 for a cross-encoder."""
        if self.form.reads_pairs:
            return 0
        return sum(query.size + self.form.special_tokens for query in self.queries)

    @property
    def total_tokens(self) -> int:
        """Tokens that the model reads for all passages, and for queries of their own."""
        return int(self.lengths.sum()) + self.query_tokens

    @property
    def query_lengths(self) -> Tokens:
        """Tokens that are computed once for all passages of each query: int64 (queries,)."""
        around = self.form.around_query
        sizes = _sizes(self.queries)
        return np.zeros_like(sizes) if around is None else sizes + around

    @property
    def own_lengths(self) -> Tokens:
        """Tokens that are computed for each passage alone: int64 (passages,)."""
        shares = self.form.reads_pairs and self.form.shares_beginning and self.queries
        return self.lengths - self.query_lengths[self.query_of] if shares else self.lengths

    @property
    def computed_tokens(self) -> int:
        """Tokens that are computed for all of them."""
        return int(self.own_lengths.sum() + self.query_lengths.sum())


class PassageTooLongError(ValueError):
    """A text has more tokens than the model reads and must not be truncated.

    document: the document's index; for a query -1 less the query's number. tokens: of the text. limit: the most that
    fits. cuttable: whether it would be cut where the request allows it.
    """

    def __init__(self, document: int, tokens: int, limit: int, *, cuttable: bool = True) -> None:
        super().__init__(f"{tokens:,} tokens where at most {limit:,} fit")
        self.document = document
        self.tokens = tokens
        self.limit = limit
        self.cuttable = cuttable


def cut_passages(
    queries: Sequence[TokenIds],
    documents: Sequence[TokenIds],
    form: InputFormat,
    reading: Reading = DEFAULT_READING,
    *,
    query_of: Sequence[int] | None = None,
    first_query: int = 0,
    first_document: int = 0,
    query_prompt: Prompt = NO_PROMPT,
    prompt: Prompt = NO_PROMPT,
) -> Passages:
    """The passages of documents, each beside its query.

    queries, documents: one int32 array each, their prompts' tokens included, special tokens not. query_of: index of
    each document's query; None where all have the first. first_query, first_document: numbers of the first of them in
    the request. query_prompt, prompt: what the queries and the documents begin with.
    Raises PassageTooLongError naming the first text that does not fit and must not be truncated, as a query must not
    where only documents are.
    """
    side = reading.truncated_side or form.truncated_side
    if side == "left":
        queries = _with_prompts(queries, reading.max_query_tokens, query_prompt)
    of = np.zeros(len(documents), dtype=np.int64) if query_of is None else np.asarray(query_of, dtype=np.int64)
    asked = _asked(queries, reading.max_query_tokens, query_prompt)
    cuttable = form.truncation != "only_document" or not form.reads_pairs
    if not (reading.truncate and cuttable) and (too_long := np.flatnonzero(asked > longest_query(form))).size:
        number = int(too_long[0])
        limit = longest_query(form)
        raise PassageTooLongError(-1 - first_query - number, queries[number].size, limit, cuttable=cuttable)
    sizes = _asked(documents, reading.max_document_tokens, prompt)
    if not form.reads_pairs:
        kept = np.minimum(asked, form.room)[of]
    else:
        kept = kept_of_queries(asked[of], sizes, form) if reading.truncate else asked[of]
    read_queries, read_query_of = _distinct(queries, of, kept, side)
    beside = kept if form.reads_pairs else np.zeros_like(kept)
    room = form.room - beside
    # Only one passage may lose the prompt to the model's own limit, as in sentence-transformers; no template's is lost.
    keeps = reading.max_passages != 1 or form.truncation == "only_document"
    pieces = _pieces(documents, sizes, room, reading, side=side, prompt=prompt, keeps=keeps, first=first_document)
    return Passages(
        form=form,
        queries=read_queries,
        query_of=read_query_of[pieces.texts],
        token_ids=pieces.token_ids,
        sizes=pieces.sizes,
        lengths=_sizes(pieces.token_ids) + form.special_tokens + beside[pieces.texts],
        documents=(pieces.texts + first_document).astype(np.int32),
        starts=pieces.starts.astype(np.int32),
        query_prompt=query_prompt.unpooled,
        prompt=prompt.unpooled,
    )


def cut_texts(
    texts: Sequence[TokenIds], form: InputFormat, reading: Reading, prompt: Prompt = NO_PROMPT, first_text: int = 0
) -> Passages:
    """The passages of texts that are read without a query. Arguments and errors are those of cut_passages."""
    sizes = _asked(texts, reading.max_document_tokens, prompt)
    side = reading.truncated_side or form.truncated_side
    room = np.full_like(sizes, form.room)
    keeps = reading.max_passages != 1
    pieces = _pieces(texts, sizes, room, reading, side=side, prompt=prompt, keeps=keeps, first=first_text)
    return Passages(
        form=form,
        queries=[],
        query_of=np.zeros(pieces.texts.size, dtype=np.int32),
        token_ids=pieces.token_ids,
        sizes=pieces.sizes,
        lengths=_sizes(pieces.token_ids) + form.special_tokens,
        documents=(pieces.texts + first_text).astype(np.int32),
        starts=pieces.starts.astype(np.int32),
        prompt=prompt.unpooled,
    )


def _with_prompts(texts: Sequence[TokenIds], most: int | None, prompt: Prompt) -> Sequence[TokenIds]:
    """Texts of which no more than the client's limit is left at their end, behind their prompts."""
    size = prompt.token_ids.size
    if most is None or not size:
        return texts
    return [text if text.size <= most + size else _tail(text, most, prompt) for text in texts]


def _tail(text: TokenIds, tokens: int, prompt: Prompt) -> TokenIds:
    """The last tokens of a text behind its prompt, which it begins with."""
    return np.concatenate([prompt.token_ids, text[text.size - tokens :]])


def _sizes(texts: Sequence[TokenIds]) -> Tokens:
    return np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))


def _asked(texts: Sequence[TokenIds], most: int | None, prompt: Prompt) -> Tokens:
    """How many tokens of each text the client wants read, its prompt's included. most: of the text without it."""
    sizes = _sizes(texts)
    return sizes if most is None else np.minimum(sizes, min(most, MOST) + prompt.token_ids.size)


def _distinct(
    queries: Sequence[TokenIds], of: Tokens, kept: Tokens, side: Side
) -> tuple[list[TokenIds], NDArray[np.int32]]:
    """The queries as they are cut for their documents, each form once, and the index of each document's.

    of: int64 (documents,), index of each document's query. kept: int64 (documents,), how much of it is read.
    """
    if len(queries) == 1 and kept.size and (kept == kept[0]).all():
        return [_part(queries[0], int(kept[0]), side)], np.zeros(kept.size, dtype=np.int32)
    most = int(kept.max(initial=0)) + 1
    forms, index = np.unique(of * most + kept, return_inverse=True)
    parts = zip((forms // most).tolist(), (forms % most).tolist(), strict=True)
    return [_part(queries[query], tokens, side) for query, tokens in parts], index.astype(np.int32)


def _part(query: TokenIds, tokens: int, side: Side) -> TokenIds:
    """So many of a query's tokens. side: where the others are dropped."""
    return query[query.size - tokens :] if side == "left" else query[:tokens]


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Parts of texts: see Passages. texts: int64 (passages,), index of each one's text."""

    texts: NDArray[np.int64]
    token_ids: list[TokenIds]
    sizes: Tokens
    starts: Tokens


def _pieces(
    texts: Sequence[TokenIds],
    asked: Tokens,
    room: Tokens,
    reading: Reading,
    *,
    side: Side,
    prompt: Prompt,
    keeps: bool,
    first: int,
) -> _Pieces:
    """The parts of texts in order.

    asked: (texts,), tokens to read of each. room: (texts,), of one passage of each. keeps: whether the prompt stays
    where a text is cut at its beginning.
    """
    whole = sizes = _sizes(texts)
    if side == "left":
        texts = _with_prompts(texts, reading.max_document_tokens, prompt)
        sizes = _sizes(texts)
    taken_out = whole - sizes
    cuts = Cuts(room, prompt.token_ids.size)
    read = _tokens_read(asked, sizes, cuts, reading, first)
    counts = cuts.passages(read)
    texts_of = np.repeat(np.arange(read.size), counts)
    numbers = np.arange(texts_of.size) - np.repeat(np.cumsum(counts) - counts, counts)  # of a text's passages
    dropped = sizes - read if side == "left" else np.zeros_like(read)
    if prompt.token_ids.size and keeps:
        texts = list(texts)
        for text in np.flatnonzero((dropped > 0) & (read > prompt.token_ids.size)).tolist():
            texts[text] = _tail(texts[text], int(read[text]) - prompt.token_ids.size, prompt)
            taken_out[text] += dropped[text]
            dropped[text] = 0
    starts, most = cuts.place(texts_of, numbers)
    starts += dropped[texts_of]
    ends = np.minimum(starts + most, (dropped + read)[texts_of])
    token_ids = [
        texts[text][start:end]
        for text, start, end in zip(texts_of.tolist(), starts.tolist(), ends.tolist(), strict=True)
    ]
    if prompt.token_ids.size:
        for index in np.flatnonzero(numbers).tolist():
            token_ids[index] = np.concatenate([prompt.token_ids, token_ids[index]])
    # Where tokens were taken out behind the prompt, what is left of it is no part of the document's end.
    ahead = np.where(taken_out[texts_of] > 0, np.maximum(prompt.token_ids.size - starts, 0), 0)
    own = np.maximum(ends - starts - ahead, 0)
    return _Pieces(texts_of, token_ids, own, starts + taken_out[texts_of] + ahead)


def _tokens_read(asked: Tokens, sizes: Tokens, cuts: Cuts, reading: Reading, first: int) -> Tokens:
    """How many tokens of each text are read. Raises PassageTooLongError where some must not be dropped."""
    reach = cuts.reach(reading.max_passages)
    if not reading.truncate and (too_long := np.flatnonzero(asked > reach)).size:
        text = int(too_long[0])
        raise PassageTooLongError(first + text, int(sizes[text]), int(reach[text]))
    return np.minimum(asked, reach)
