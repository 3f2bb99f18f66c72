"""`POST /v2/rerank`: Cohere's second API, as its SDKs (ClientV2) send and read it."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic_core import to_json

from serve_app.api.dialects.native import EXAMPLE, document, result_body, search_units
from serve_app.api.dialects.truncation import TruncationBody
from serve_app.api.validation import NOT_BLANK, NOT_EMPTY, Count, Whole, require_count, require_query, validated
from serve_app.domain.answer import Ranking
from serve_app.domain.errors import ServiceError
from serve_app.domain.request import FieldNames, RerankRequest

TEXT_OBJECT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}


class RerankBody(TruncationBody):
    """What to rank. Documents are strings, YAML of structured ones as Cohere advises; objects with a `text` do, too."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE | {"top_n": 1}})

    item_forms: ClassVar[Mapping[str, str]] = {"documents": 'a string or an object with a "text"'}

    model: Annotated[str, Field(min_length=1, description="Id or alias of a served model.")]
    query: Annotated[
        str, Field(description="What the documents are ranked by; not blank.", json_schema_extra=NOT_BLANK)
    ]
    documents: Annotated[
        list[str | Annotated[dict[str, Any], WithJsonSchema(TEXT_OBJECT)]], Field(json_schema_extra=NOT_EMPTY)
    ]
    top_n: Annotated[Count | None, Field(description="How many to return; all when left out.")] = None
    return_documents: Annotated[bool | None, Field(description="Not Cohere's; LiteLLM sends it.")] = None
    max_chunks_per_doc: Annotated[Count | None, Field(description="Not Cohere's; see /v1/rerank.")] = None
    priority: Annotated[Whole | None, Field(description="Accepted and not used: X-Tier says what is urgent.")] = None


class RankedDocumentBody(BaseModel):
    """One result."""

    index: int
    relevance_score: float
    document: Annotated[dict[str, Any] | None, Field(description="With return_documents only.")] = None


class RerankAnswer(BaseModel):
    """Documents by relevance, best first; ties by index."""

    id: str
    results: list[RankedDocumentBody]
    meta: dict[str, Any]


class ErrorBody(BaseModel):
    """An error, as Cohere's SDK shows it."""

    id: str
    message: str


def parse(body: bytes, max_documents: int) -> RerankRequest:
    """The request in a body. Raises ServiceError invalid_request naming the field at fault."""
    parsed = validated(RerankBody, body)
    require_query(parsed.query, "query")
    require_count(parsed.documents, FieldNames(), max_documents)
    return RerankRequest(
        model=parsed.model,
        query=parsed.query,
        documents=[document(i, given) for i, given in enumerate(parsed.documents)],
        top_n=parsed.top_n,
        return_documents=bool(parsed.return_documents),
        reading=parsed.reading(parsed.max_chunks_per_doc or 1),
    )


def render(ranking: Ranking, request: RerankRequest, request_id: str) -> bytes:
    """The answer's body."""
    meta = {
        "api_version": {"version": "2"},
        "billed_units": {"search_units": search_units(ranking.usage.documents)},
        "tokens": {"input_tokens": ranking.usage.tokens},
    }
    results = [result_body(result, request) for result in ranking.results]
    return to_json({"id": request_id, "results": results, "meta": meta}, inf_nan_mode="null")


def error_body(error: ServiceError, request_id: str) -> tuple[int, dict[str, Any]]:
    """Status and body of an error."""
    return error.status, {"id": request_id, "message": error.message}
