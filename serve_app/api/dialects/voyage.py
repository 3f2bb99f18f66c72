"""Voyage's `POST /v1/rerank`, told from the native one by `top_k` or `truncation`, which its SDK sends."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from serve_app.api.dialects import examples, native
from serve_app.api.dialects.instructions import JudgingBody
from serve_app.api.dialects.results import voyage_results
from serve_app.api.dialects.selection import SelectionBody
from serve_app.api.dialects.truncation import ReadingBody
from serve_app.api.endpoint import Asked, Marks, Post, Reply, Words
from serve_app.api.lenient import Flag, Items, ModelName
from serve_app.api.validation import NOT_BLANK, NOT_EMPTY, require_count, require_query
from serve_app.domain.answer import Ranking
from serve_app.domain.request import Document, FieldNames, RerankRequest
from serve_app.settings import EMBEDDED_MODEL, HttpSettings

NAMES = FieldNames(to_truncate='"truncation": true')


class VoyageRerankBody(SelectionBody, ReadingBody, JudgingBody):
    """What to rank, as Voyage's clients send it."""

    model_config = ConfigDict(json_schema_extra={"example": examples.RERANK | {"top_k": 1}})

    model: ModelName = None
    query: Annotated[
        str, Field(description="What the documents are ranked by; not blank.", json_schema_extra=NOT_BLANK)
    ]
    documents: Annotated[Items[str], Field(json_schema_extra=NOT_EMPTY)]
    return_documents: Annotated[Flag | None, Field(description="Give each document back with its score.")] = None


# A body with one of these is ours, or they would be dropped.
OURS = ("top_n", *sorted(native.RerankBody.model_fields.keys() - VoyageRerankBody.model_fields.keys()))


class VoyageResult(BaseModel):
    """One result."""

    index: int
    relevance_score: float
    document: Annotated[str | None, Field(description="With return_documents only.")] = None


class VoyageUsage(BaseModel):
    """Tokens that the model read."""

    total_tokens: int


class VoyageRerankAnswer(BaseModel):
    """Documents by relevance, best first; ties by index."""

    object: Literal["list"]
    data: list[VoyageResult]
    model: str
    usage: VoyageUsage


def parse(body: VoyageRerankBody, http: HttpSettings) -> RerankRequest:
    """What a body asks for. Raises ServiceError invalid_request naming the field at fault."""
    require_query(body.query, "query")
    require_count(body.documents, NAMES, http.max_documents)
    return RerankRequest(
        model=body.model,
        query=body.query,
        documents=[Document(text) for text in body.documents],
        top_n=body.most,
        score_threshold=body.score_threshold,
        return_documents=bool(body.return_documents),
        instruction=body.told,
        reading=body.reading(),
        names=NAMES,
    )


def render(ranking: Ranking, asked: Asked[VoyageRerankBody, RerankRequest]) -> Reply:
    """The answer."""
    data = voyage_results(ranking, asked.request)
    usage = {"total_tokens": ranking.usage.tokens}
    return Reply(to_json({"object": "list", "data": data, "model": ranking.model, "usage": usage}))


RERANK = Post(
    name="rerank_voyage",
    paths=("/v1/rerank",),
    scope="rerank",
    body=VoyageRerankBody,
    marks=Marks(native.VOYAGES, unless=OURS, texts="documents"),
    parse=parse,
    answer=VoyageRerankAnswer,
    render=render,
    words=Words(
        summary="Rank documents, as Voyage does",
        description="`top_k` or `truncation` without a field of ours marks Voyage's form; the answer follows.",
        example={
            "object": "list",
            "data": examples.RANKED,
            "model": EMBEDDED_MODEL,
            "usage": {"total_tokens": 20},
        },
    ),
)
