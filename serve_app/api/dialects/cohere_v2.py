"""`POST /v2/rerank`: Cohere's second API, as its SDKs (ClientV2) send and read it."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic_core import to_json

from serve_app.api.dialects import examples
from serve_app.api.dialects.documents import ITEM_FORMS, documents_of
from serve_app.api.dialects.instructions import JudgingBody
from serve_app.api.dialects.results import cohere_meta, result_bodies
from serve_app.api.dialects.selection import SelectionBody
from serve_app.api.dialects.truncation import ReadingBody
from serve_app.api.endpoint import Asked, Post, Reply, Words
from serve_app.api.error_form import ErrorForm
from serve_app.api.errors import BLANK_QUERY, STATUS
from serve_app.api.lenient import Flag, Items, ModelName, NotNegative, Whole
from serve_app.api.validation import NOT_BLANK, NOT_EMPTY, require_count, require_query
from serve_app.domain.answer import Ranking, Usage
from serve_app.domain.errors import ServiceError
from serve_app.domain.request import FieldNames, RerankRequest
from serve_app.settings import HttpSettings

TEXT_OBJECT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}


class RerankBody(SelectionBody, ReadingBody, JudgingBody):
    """What to rank. Documents are strings, YAML of structured ones as Cohere advises; objects with a `text` do, too."""

    model_config = ConfigDict(json_schema_extra={"example": examples.RERANK | {"top_n": 1}})

    item_forms: ClassVar[Mapping[str, str]] = ITEM_FORMS

    model: ModelName = None
    query: Annotated[
        str, Field(description="What the documents are ranked by; not blank.", json_schema_extra=NOT_BLANK)
    ]
    documents: Annotated[
        Items[str | Annotated[dict[str, Any], WithJsonSchema(TEXT_OBJECT)]], Field(json_schema_extra=NOT_EMPTY)
    ]
    return_documents: Annotated[Flag | None, Field(description="Not Cohere's; LiteLLM sends it.")] = None
    max_chunks_per_doc: Annotated[NotNegative | None, Field(description="Not Cohere's; see /v1/rerank.")] = None
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


def parse(body: RerankBody, http: HttpSettings) -> RerankRequest:
    """What a body asks for. Raises ServiceError invalid_request naming the field at fault."""
    require_query(body.query, "query")
    require_count(body.documents, FieldNames(), http.max_documents)
    return RerankRequest(
        model=body.model,
        query=body.query,
        documents=documents_of(body.documents),
        top_n=body.most,
        score_threshold=body.score_threshold,
        return_documents=bool(body.return_documents),
        instruction=body.told,
        reading=body.reading(body.max_chunks_per_doc),
    )


def render(ranking: Ranking, asked: Asked[RerankBody, RerankRequest]) -> Reply:
    """The answer."""
    results = result_bodies(ranking, asked.request)
    meta = cohere_meta("2", ranking.usage)
    if asked.request.warnings:
        meta["warnings"] = asked.request.warnings
    answer = {"id": asked.request_id, "results": results, "meta": meta}
    return Reply(to_json(answer, inf_nan_mode="null"))


def error_body(error: ServiceError, request_id: str) -> tuple[int, dict[str, Any]]:
    """Status and body of an error."""
    return STATUS[error.code], {"id": request_id, "message": error.message}


RERANK = Post(
    name="rerank_cohere_v2",
    paths=("/v2/rerank",),
    scope="rerank",
    body=RerankBody,
    parse=parse,
    answer=RerankAnswer,
    render=render,
    errors=ErrorForm(ErrorBody, error_body, error_body(BLANK_QUERY, examples.REQUEST_ID)[1]),
    words=Words(
        summary="Rank documents, as Cohere's ClientV2 asks for it",
        example={
            "id": examples.REQUEST_ID,
            "results": examples.RANKED[:1],
            "meta": cohere_meta("2", Usage(tokens=20, documents=2, nano_dollars=2_000)),
        },
    ),
)
