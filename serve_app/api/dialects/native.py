"""`POST /v1/rerank`: gigarouter's form, and that of Jina's, Cohere v1's, vLLM's, llama.cpp's and DashScope's."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from serve_app.api.dialects import examples
from serve_app.api.dialects.documents import ITEM_FORMS, documents_of
from serve_app.api.dialects.results import cohere_meta, result_bodies
from serve_app.api.dialects.truncation import TruncationBody
from serve_app.api.endpoint import Asked, Marks, Post, Reply, Words
from serve_app.api.validation import (
    NOT_BLANK,
    NOT_EMPTY,
    Count,
    require_count,
    require_query,
    unknown_fields,
)
from serve_app.domain.answer import Ranking, Usage
from serve_app.domain.price import format_usd
from serve_app.domain.request import FieldNames, RerankRequest
from serve_app.settings import EMBEDDED_MODEL, HttpSettings

INSTRUCTIONS = ("instruct", "instruction")


class RerankBody(TruncationBody):
    """What to rank. Fields that are not known are ignored and named in the answer's `warnings`."""

    model_config = ConfigDict(json_schema_extra={"example": examples.RERANK})

    item_forms: ClassVar[Mapping[str, str]] = ITEM_FORMS

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
    instruct: Annotated[str | None, Field(description="DashScope's; no model here takes one.")] = None
    instruction: Annotated[str | None, Field(description="Another name of instruct.")] = None


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


def parse(body: RerankBody, http: HttpSettings) -> RerankRequest:
    """What a body asks for. Raises ServiceError invalid_request naming the field at fault."""
    require_query(body.query, "query")
    require_count(body.documents, FieldNames(), http.max_documents)
    return RerankRequest(
        model=body.model,
        query=body.query,
        documents=documents_of(body.documents, body.rank_fields),
        top_n=body.top_n,
        return_documents=bool(body.return_documents),
        return_passages=bool(body.return_passages),
        raw_scores=bool(body.raw_scores),
        reading=body.reading(body.max_chunks_per_doc or 1),
        warnings=[*unknown_fields(body), *_instructions(body)],
    )


def _instructions(body: RerankBody) -> list[str]:
    given = [name for name in INSTRUCTIONS if getattr(body, name) is not None]
    return [f"the field '{name}' was ignored: the model takes no instruction" for name in given]


def render(ranking: Ranking, asked: Asked[Any, RerankRequest]) -> Reply:
    """The answer."""
    usage = ranking.usage
    answer: dict[str, Any] = {
        "id": f"rerank-{asked.request_id}",
        "object": "rerank",
        "model": ranking.model,
        "results": result_bodies(ranking, asked.request),
        "usage": {
            "prompt_tokens": usage.tokens,
            "total_tokens": usage.tokens,
            "billed_documents": usage.documents,
            "cost_usd": format_usd(usage.nano_dollars),
        },
        "meta": cohere_meta("1", usage),
    }
    if asked.request.warnings:
        answer["warnings"] = asked.request.warnings
    # NaN is no JSON, but parsers let it through in a document's other fields.
    return Reply(to_json(answer, inf_nan_mode="null"))


RERANK = Post(
    name="rerank",
    paths=("/v1/rerank", "/v1/reranking", "/reranking", "/v1/reranks", "/reranks"),
    scope="rerank",
    body=RerankBody,
    marks=Marks("Cohere and Jina", ("top_n",)),
    parse=parse,
    answer=RerankAnswer,
    render=render,
    words=Words(
        summary="Rank documents by relevance to a query",
        description="What Jina's, Cohere v1's and vLLM's clients send and read, too.",
        example={
            "id": f"rerank-{examples.REQUEST_ID}",
            "object": "rerank",
            "model": EMBEDDED_MODEL,
            "results": examples.RANKED,
            "usage": {"prompt_tokens": 20, "total_tokens": 20, "billed_documents": 2, "cost_usd": "0"},
            "meta": cohere_meta("1", Usage(tokens=20, documents=2, nano_dollars=0)),
        },
    ),
)
