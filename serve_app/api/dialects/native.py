"""`POST /v1/rerank`: gigarouter's form, which Jina's, Cohere v1's and vLLM's clients send and read, too."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic_core import to_json

from serve_app.api.dialects.truncation import TruncationBody
from serve_app.api.validation import (
    NOT_BLANK,
    NOT_EMPTY,
    Count,
    require_count,
    require_query,
    unknown_fields,
    validated,
)
from serve_app.domain.answer import RankedDocument, Ranking
from serve_app.domain.errors import ServiceError, shown
from serve_app.domain.price import format_usd
from serve_app.domain.request import Document, FieldNames, RerankRequest

DOCUMENTS_PER_SEARCH_UNIT = 100  # Cohere's unit of billing
EXAMPLE: dict[str, JsonValue] = {
    "model": "sentence-transformers/all-MiniLM-L6-v2",
    "query": "capital of France",
    "documents": ["Paris is the capital of France.", "Bananas are yellow."],
}


class RerankBody(TruncationBody):
    """What to rank. Fields that are not known are ignored and named in the answer's `warnings`."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})

    item_forms: ClassVar[Mapping[str, str]] = {"documents": 'a string or an object with a "text"'}

    model: Annotated[str, Field(min_length=1, description="Id or alias of a served model.")]
    query: Annotated[
        str, Field(description="What the documents are ranked by; not blank.", json_schema_extra=NOT_BLANK)
    ]
    documents: Annotated[
        list[str | dict[str, Any]],
        Field(
            description='Strings, or objects with a "text" (or with the fields of rank_fields).',
            json_schema_extra=NOT_EMPTY,
        ),
    ]
    top_n: Annotated[Count | None, Field(description="How many to return; all when left out.")] = None
    return_documents: Annotated[bool | None, Field(description="Give each document back with its score.")] = None
    return_passages: Annotated[
        bool | None, Field(description="Tell where in each document its best passage lies, in characters.")
    ] = None
    rank_fields: Annotated[list[str] | None, Field(description="Fields of object documents that are read.")] = None
    raw_scores: Annotated[bool | None, Field(description="The model's own score in place of 0 to 1.")] = None
    max_chunks_per_doc: Annotated[
        Count | None,
        Field(description="Passages of a document that are scored, each billed; the best one counts. Default 1."),
    ] = None


class PassageBody(BaseModel):
    """A part of a document's text: characters (Unicode code points) from start up to end."""

    start: int
    end: int
    text: str


class RankedDocumentBody(BaseModel):
    """One result: the document's index in the request, and its score."""

    index: int
    relevance_score: float
    document: Annotated[dict[str, Any] | None, Field(description="With return_documents only.")] = None
    passage: Annotated[PassageBody | None, Field(description="With return_passages only.")] = None


class UsageBody(BaseModel):
    """Tokens that the model read, documents that are billed (one for each passage) and their price in US dollars."""

    prompt_tokens: int
    total_tokens: int
    billed_documents: int
    cost_usd: str


class RerankAnswer(BaseModel):
    """Documents by relevance, best first; ties by index."""

    id: str
    object: Literal["rerank"]
    model: str
    results: list[RankedDocumentBody]
    usage: UsageBody
    meta: dict[str, Any]
    warnings: Annotated[list[str] | None, Field(description="What of the request was ignored.")] = None


def parse(body: bytes, max_documents: int) -> RerankRequest:
    """The request in a body.

    Raises ServiceError invalid_request naming the field at fault.
    """
    return request_of(validated(RerankBody, body), max_documents)


def request_of(parsed: RerankBody, max_documents: int) -> RerankRequest:
    """What a body asks for. Raises ServiceError invalid_request naming the field at fault."""
    require_query(parsed.query, "query")
    require_count(parsed.documents, FieldNames(), max_documents)
    return RerankRequest(
        model=parsed.model,
        query=parsed.query,
        documents=[document(i, given, parsed.rank_fields) for i, given in enumerate(parsed.documents)],
        top_n=parsed.top_n,
        return_documents=bool(parsed.return_documents),
        return_passages=bool(parsed.return_passages),
        raw_scores=bool(parsed.raw_scores),
        reading=parsed.reading(parsed.max_chunks_per_doc or 1),
        warnings=unknown_fields(parsed),
    )


def render(ranking: Ranking, request: RerankRequest, request_id: str) -> bytes:
    """The answer's body."""
    usage = ranking.usage
    answer: dict[str, Any] = {
        "id": f"rerank-{request_id}",
        "object": "rerank",
        "model": ranking.model,
        "results": [result_body(result, request) for result in ranking.results],
        "usage": {
            "prompt_tokens": usage.tokens,
            "total_tokens": usage.tokens,
            "billed_documents": usage.documents,
            "cost_usd": format_usd(usage.nano_dollars),
        },
        "meta": {
            "api_version": {"version": "1"},
            "billed_units": {"search_units": search_units(usage.documents)},
            "tokens": {"input_tokens": usage.tokens},
        },
    }
    if request.warnings:
        answer["warnings"] = request.warnings
    # NaN is no JSON, but parsers let it through in a document's other fields.
    return to_json(answer, inf_nan_mode="null")


def result_body(result: RankedDocument, request: RerankRequest) -> dict[str, Any]:
    """One result as it is asked for."""
    found: dict[str, Any] = {"index": result.index, "relevance_score": shortest(result.relevance_score)}
    given = request.documents[result.index]
    if request.return_documents:
        found["document"] = given.source if given.source is not None else {"text": given.text}
    if span := result.passage:
        found["passage"] = {"start": span.start, "end": span.end, "text": given.text[span.start : span.end]}
    return found


def search_units(documents: int) -> int:
    """Cohere's units of billing."""
    return -(-documents // DOCUMENTS_PER_SEARCH_UNIT)


def shortest(score: float) -> float:
    """The number with the fewest digits that is the same float32."""
    return float(str(np.float32(score)))


def document(index: int, given: str | Mapping[str, Any], rank_fields: list[str] | None = None) -> Document:
    """A document as clients send it: a string, or an object of which some fields are read.

    Raises ServiceError naming the document.
    """
    if isinstance(given, str):
        return Document(given)
    param = f"documents[{index}]"
    values = []
    for field in rank_fields or ["text"]:
        value = given.get(field)
        if isinstance(value, str):
            values.append(value)
        elif value is not None or not rank_fields:
            raise ServiceError("invalid_request", f"{param}.{field} must be a string; got {shown(value)}", param)
    if not values:
        raise ServiceError("invalid_request", f"{param} has none of the rank_fields {shown(rank_fields)}", param)
    return Document("\n".join(values), given)


def error_body(error: ServiceError, request_id: str) -> tuple[int, dict[str, Any]]:  # noqa: ARG001 - as in other dialects
    """Status and body of an error: OpenAI's form, which vLLM's clients read, too."""
    return error.status, error.body()
