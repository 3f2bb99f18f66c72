"""What a client asks and what it gets, whatever the wire format."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a request.

    text: what is scored. source: the mapping that the client sent, given back whole; None when it sent a string.
    """

    text: str
    source: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class RerankRequest:
    """A query and the documents to sort by relevance to it.

    top_n: how many to return, None for all. raw_scores: the model's own score (logit, cosine) in place of 0 to 1.
    truncate: cut a text that is longer than the model reads; otherwise such a text is an error.
    max_query_tokens, max_document_tokens: the client's own limits, below the model's.
    """

    model: str
    query: str
    documents: list[Document]
    top_n: int | None = None
    return_documents: bool = False
    raw_scores: bool = False
    truncate: bool = True
    max_query_tokens: int | None = None
    max_document_tokens: int | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RankedDocument:
    """A document's place in the answer: its index in the request and its score."""

    index: int
    relevance_score: float


@dataclass(frozen=True, slots=True)
class Usage:
    """What a request cost: tokens that the model read for it, documents that are billed, and their price."""

    tokens: int
    documents: int
    nano_dollars: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """The answer: documents by score descending, ties by index."""

    model: str
    results: list[RankedDocument]
    usage: Usage
