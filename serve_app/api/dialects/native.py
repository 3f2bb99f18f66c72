"""`POST /v1/rerank`: gigarouter's form, and that of Jina's, Cohere v1's, vLLM's, llama.cpp's and DashScope's."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from serve_app.api.dialects import examples
from serve_app.api.dialects.documents import ITEM_FORMS, documents_of
from serve_app.api.dialects.instructions import JudgingBody
from serve_app.api.dialects.results import cohere_meta, priced, result_bodies, voyage_results
from serve_app.api.dialects.selection import SelectionBody
from serve_app.api.dialects.truncation import ReadingBody
from serve_app.api.endpoint import Asked, Post, Reply, Words
from serve_app.api.lenient import Flag, Items, ModelName, NotNegative
from serve_app.api.validation import NOT_BLANK, NOT_EMPTY, require_count, require_query, unknown_fields
from serve_app.domain.answer import Ranking, Usage
from serve_app.domain.price import format_usd
from serve_app.domain.request import FieldNames, RerankRequest
from serve_app.settings import EMBEDDED_MODEL, HttpSettings


class RerankBody(SelectionBody, ReadingBody, JudgingBody):
    """What to rank. Fields that are not known are ignored and named in the answer's `warnings`."""

    model_config = ConfigDict(json_schema_extra={"example": examples.RERANK})

    item_forms: ClassVar[Mapping[str, str]] = ITEM_FORMS

    model: ModelName = None
    query: Annotated[
        str, Field(description="What the documents are ranked by; not blank.", json_schema_extra=NOT_BLANK)
    ]
    documents: Annotated[
        Items[str | dict[str, Any]],
        Field(
            description='Strings, or objects with a "text" (or with the fields of rank_fields).',
            json_schema_extra=NOT_EMPTY,
        ),
    ]
    return_documents: Annotated[Flag | None, Field(description="Give each document back with its score.")] = None
    return_passages: Annotated[
        Flag | None, Field(description="Tell where in each document its best passage lies, in characters.")
    ] = None
    rank_fields: Annotated[Items[str] | None, Field(description="Fields of object documents that are read.")] = None
    raw_scores: Annotated[Flag | None, Field(description="The model's own score in place of 0 to 1.")] = None
    max_chunks_per_doc: Annotated[
        NotNegative | None,
        Field(description="Passages of a document that are scored, each billed; the best counts. Default 1; 0: all."),
    ] = None


# Of a body with these, be they null, Voyage's form is read, too: its `data` comes beside `results`.
VOYAGES = ("top_k", "truncation")


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
    """Tokens that the model read, documents that are billed (one for each passage) and their price in US dollars.

    cost_usd, cost: the price as text and as a number. search_units: a query with up to 100 documents, as Cohere has it.
    """

    prompt_tokens: int
    total_tokens: int
    billed_documents: int
    cost_usd: str
    cost: float
    search_units: int


class RerankAnswer(BaseModel):
    """Documents by relevance, best first; ties by index."""

    id: str
    object: Literal["rerank"]
    model: str
    results: list[RankedDocumentBody]
    usage: UsageBody
    meta: dict[str, Any]
    warnings: Annotated[list[str] | None, Field(description="What of the request was ignored or mended.")] = None
    data: Annotated[
        list[dict[str, Any]] | None, Field(description="The results in Voyage's form, for a body with its fields, too.")
    ] = None


def parse(body: RerankBody, http: HttpSettings) -> RerankRequest:
    """What a body asks for. Raises ServiceError invalid_request naming the field at fault."""
    require_query(body.query, "query")
    require_count(body.documents, FieldNames(), http.max_documents)
    return RerankRequest(
        model=body.model,
        query=body.query,
        documents=documents_of(body.documents, body.rank_fields),
        top_n=body.most,
        score_threshold=body.score_threshold,
        return_documents=bool(body.return_documents),
        return_passages=bool(body.return_passages),
        raw_scores=bool(body.raw_scores),
        instruction=body.told,
        reading=body.reading(body.max_chunks_per_doc),
        warnings=unknown_fields(body),
    )


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
            **priced(usage),
        },
        "meta": cohere_meta("1", usage),
    }
    if not asked.body.model_fields_set.isdisjoint(VOYAGES):
        answer["data"] = voyage_results(ranking, asked.request)
    if asked.request.warnings:
        answer["warnings"] = asked.request.warnings
    # NaN is no JSON, but parsers let it through in a document's other fields.
    return Reply(to_json(answer, inf_nan_mode="null"))


RERANK = Post(
    name="rerank",
    paths=("/v1/rerank", "/v1/reranking", "/reranking", "/v1/reranks", "/reranks", "/compatible-api/v1/reranks"),
    scope="rerank",
    body=RerankBody,
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
            "usage": {
                "prompt_tokens": 20,
                "total_tokens": 20,
                "billed_documents": 2,
                "cost_usd": "0.000002",
                "cost": 0.000002,
                "search_units": 1,
            },
            "meta": cohere_meta("1", Usage(tokens=20, documents=2, nano_dollars=2_000)),
        },
    ),
)
