"""What a client asks and what it gets, whatever the wire format."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Side = Literal["left", "right"]


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a request.

    text: what is scored. source: the mapping that the client sent, given back whole; None when it sent a string.
    """

    text: str
    source: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """How much of long texts the model reads.

    max_passages: of one document, each as long as the model and the query leave room for; None for as many as it takes.
    truncate: drop what does not fit into them; otherwise such a text is an error. truncated_side: where it is dropped.
    max_query_tokens, max_document_tokens, max_sequence_tokens: the client's own limits, which texts are always cut to;
    the last one's sequence is all that the model reads at once, special tokens included.
    """

    max_passages: int | None = 1
    truncate: bool = True
    truncated_side: Side = "right"
    max_query_tokens: int | None = None
    max_document_tokens: int | None = None
    max_sequence_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class FieldNames:
    """What the client's wire format calls things, for error messages that name them."""

    query: str = "query"
    documents: str = "documents"

    def document(self, index: int) -> str:
        """One of the documents."""
        return f"{self.documents}[{index}]"


@dataclass(frozen=True, slots=True)
class RerankRequest:
    """A query and the documents to sort by relevance to it.

    model: None for the default one. top_n: how many to return, None for all. return_documents, return_passages: give
    each document back, or where its best passage lies. raw_scores: the model's own score (logit, cosine) in place of 0
    to 1. warnings: what of the body was ignored.
    """

    model: str | None
    query: str
    documents: Sequence[Document]
    top_n: int | None = None
    return_documents: bool = False
    return_passages: bool = False
    raw_scores: bool = False
    reading: Reading = Reading()
    names: FieldNames = FieldNames()
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """Pairs of a query and a text, to be scored in their order.

    queries, texts: equally many. The rest is as in RerankRequest.
    """

    model: str | None
    queries: Sequence[str]
    texts: Sequence[str]
    raw_scores: bool = False
    reading: Reading = Reading()
    names: FieldNames = FieldNames()


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """Texts to turn into vectors, each as text or as the model's own token ids, special ones included or not.

    dimensions: how many numbers the client expects, None where it takes what the model gives.
    """

    model: str | None
    inputs: Sequence[str | Sequence[int]]
    dimensions: int | None = None
    truncate: bool = False
    truncated_side: Side = "right"
    names: FieldNames = FieldNames(documents="input")


@dataclass(frozen=True, slots=True)
class Span:
    """A passage of a text: characters (Unicode code points) from start up to end."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class RankedDocument:
    """A document's place in the answer: its index in the request, its score, and its best passage where asked for."""

    index: int
    relevance_score: float
    passage: Span | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a request cost.

    tokens: that the model read for it. documents: that are billed, one for each passage of each document. nano_dollars:
    their price. characters: of the query and the documents, read or not.
    """

    tokens: int
    documents: int
    nano_dollars: int
    characters: int = 0


@dataclass(frozen=True, slots=True)
class Stages:
    """Seconds of a request. A large one is scored while it is still being tokenised.

    queue: the longest that a shard waited for its replica's device. score: from the first shard's leaving on, without
    the queue.
    """

    tokenize: float = 0.0
    queue: float = 0.0
    score: float = 0.0
    merge: float = 0.0


@dataclass(frozen=True, slots=True)
class Ranking:
    """The answer: documents by score descending, ties by index."""

    model: str
    results: list[RankedDocument]
    usage: Usage
    stages: Stages = Stages()


@dataclass(frozen=True, slots=True)
class PairScores:
    """The answer to a ScoreRequest: a score for each pair, in order."""

    model: str
    scores: list[float]
    usage: Usage
    stages: Stages = Stages()


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The answer to an EmbedRequest: vectors of length 1, float32 (inputs, width)."""

    model: str
    vectors: NDArray[np.float32]
    usage: Usage
    stages: Stages = Stages()


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a text. special: whether the model's template put it there, and not the text."""

    id: int
    text: str
    special: bool
    span: Span | None
