"""`POST /v1/rerank`: gigarouter's form, which Jina's and Cohere v1's clients send and read, too."""

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json

from serve_app.api.errors import APIError, shown
from serve_app.ranking.price import format_usd
from serve_app.ranking.request import Document, Ranking, RerankRequest

DOCUMENTS_PER_SEARCH_UNIT = 100  # Cohere's unit of billing
Count = Annotated[int, Field(ge=1)]


class RerankBody(BaseModel):
    """What to rank. Fields that are not known are ignored and named in the answer's `warnings`."""

    model_config = ConfigDict(
        strict=True,
        extra="allow",
        json_schema_extra={
            "example": {
                "model": "sentence-transformers/all-MiniLM-L6-v2",
                "query": "capital of France",
                "documents": ["Paris is the capital of France.", "Bananas are yellow."],
            }
        },
    )

    model: Annotated[str, Field(min_length=1, description="Id or alias of a served model.")]
    query: Annotated[str, Field(description="What the documents are ranked by; not blank.")]
    documents: Annotated[
        list[str | dict[str, Any]],
        Field(min_length=1, description='Strings, or objects with a "text" (or with the fields of rank_fields).'),
    ]
    top_n: Annotated[Count | None, Field(description="How many to return; all when left out.")] = None
    return_documents: Annotated[bool | None, Field(description="Give each document back with its score.")] = None
    rank_fields: Annotated[list[str] | None, Field(description="Fields of object documents that are read.")] = None
    raw_scores: Annotated[bool | None, Field(description="The model's own score in place of 0 to 1.")] = None
    truncate: Annotated[bool | None, Field(description="Cut long texts (default); false: refuse them.")] = None
    max_tokens_per_query: Count | None = None
    max_tokens_per_doc: Count | None = None


class RankedDocumentBody(BaseModel):
    """One result: the document's index in the request, and its score."""

    index: int
    relevance_score: float
    document: Annotated[dict[str, Any] | None, Field(description="With return_documents only.")] = None


class UsageBody(BaseModel):
    """Tokens that the model read, documents that are billed and their price in US dollars."""

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

    Raises APIError invalid_request naming the field at fault.
    """
    try:
        parsed = RerankBody.model_validate_json(body)
    except ValidationError as error:
        raise _explain(error, body) from None
    if not parsed.query.strip():
        raise APIError("invalid_request", "query must not be empty or blank", "query")
    if len(parsed.documents) > max_documents:
        raise APIError(
            "invalid_request",
            f"documents has {len(parsed.documents):,} entries; at most {max_documents:,} are allowed in one request",
            "documents",
        )
    return RerankRequest(
        model=parsed.model,
        query=parsed.query,
        documents=[_document(i, document, parsed.rank_fields) for i, document in enumerate(parsed.documents)],
        top_n=parsed.top_n,
        return_documents=bool(parsed.return_documents),
        raw_scores=bool(parsed.raw_scores),
        truncate=parsed.truncate is not False,
        max_query_tokens=parsed.max_tokens_per_query,
        max_document_tokens=parsed.max_tokens_per_doc,
        warnings=[f"the field {shown(name)} is not known and was ignored" for name in parsed.model_extra or ()],
    )


def render(ranking: Ranking, request: RerankRequest, request_id: str) -> bytes:
    """The answer's body."""
    usage = ranking.usage
    answer: dict[str, Any] = {
        "id": f"rerank-{request_id}",
        "object": "rerank",
        "model": ranking.model,
        "results": [
            {"index": result.index, "relevance_score": shortest(result.relevance_score)} for result in ranking.results
        ],
        "usage": {
            "prompt_tokens": usage.tokens,
            "total_tokens": usage.tokens,
            "billed_documents": usage.documents,
            "cost_usd": format_usd(usage.nano_dollars),
        },
        "meta": {
            "api_version": {"version": "1"},
            "billed_units": {"search_units": -(-usage.documents // DOCUMENTS_PER_SEARCH_UNIT)},
            "tokens": {"input_tokens": usage.tokens},
        },
    }
    if request.return_documents:
        for result in answer["results"]:
            document = request.documents[result["index"]]
            result["document"] = document.source if document.source is not None else {"text": document.text}
    if request.warnings:
        answer["warnings"] = request.warnings
    # NaN is no JSON, but parsers let it through in a document's other fields.
    return to_json(answer, inf_nan_mode="null")


def shortest(score: float) -> float:
    """The number with the fewest digits that is the same float32."""
    return float(str(np.float32(score)))


def _document(index: int, document: str | Mapping[str, Any], rank_fields: list[str] | None) -> Document:
    if isinstance(document, str):
        return Document(document)
    values = []
    for field in rank_fields or ["text"]:
        value = document.get(field)
        if isinstance(value, str):
            values.append(value)
        elif value is not None or not rank_fields:
            raise APIError(
                "invalid_request",
                f"documents[{index}].{field} must be a string; got {shown(value)}",
                f"documents[{index}]",
            )
    if not values:
        param = f"documents[{index}]"
        raise APIError("invalid_request", f"{param} has none of the rank_fields {shown(rank_fields)}", param)
    return Document("\n".join(values), document)


def _explain_long_number(body: bytes) -> APIError | None:
    """Name the field of an integer that is too long to be read; None where that cannot be told."""
    try:
        RerankBody.model_validate(json.loads(body, parse_int=_short_or_text))
    except ValidationError as error:
        return _explain(error, body)
    except (ValueError, RecursionError):
        return None
    return None


def _short_or_text(digits: str) -> int | str:
    return int(digits) if len(digits) <= sys.get_int_max_str_digits() else digits


def _explain(error: ValidationError, body: bytes) -> APIError:
    first = error.errors(include_url=False, include_context=False)[0]
    location = first["loc"]
    if first["type"] == "json_invalid":
        if "number out of range" in first["msg"] and (named := _explain_long_number(body)):
            return named
        return APIError("invalid_request", f"the body is not valid JSON: {first['msg'].removeprefix('Invalid JSON: ')}")
    if not location:
        return APIError("invalid_request", f"the body must be a JSON object; got {shown(first['input'])}")
    param = str(location[0]) + "".join(f"[{part}]" for part in location[1:2] if isinstance(part, int))
    if first["type"] == "missing":
        return APIError("invalid_request", f"{param} is missing", param)
    if location[0] == "documents" and len(location) > 1:
        message = f'{param} must be a string or an object with a "text"; got {shown(first["input"])}'
    else:
        message = f"{param}: {first['msg'][0].lower()}{first['msg'][1:]}; got {shown(first['input'])}"
    return APIError("invalid_request", message, param)
