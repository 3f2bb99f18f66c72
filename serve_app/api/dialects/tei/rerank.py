"""Text Embeddings Inference's `POST /rerank`."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from serve_app.api.dialects import examples
from serve_app.api.dialects.results import shown_scores
from serve_app.api.dialects.tei.errors import ERRORS
from serve_app.api.dialects.tei.fields import Direction, Truncate, cost_headers, side_of
from serve_app.api.endpoint import Asked, Marks, Post, Reply, Words
from serve_app.api.validation import NOT_BLANK, NOT_EMPTY, Count, RequestBody, require_count, require_query
from serve_app.domain.answer import Ranking
from serve_app.domain.request import Document, FieldNames, Reading, RerankRequest
from serve_app.settings import HttpSettings

NAMES = FieldNames(documents="texts")


class RerankBody(RequestBody):
    """A query and texts to rank by the server's default model."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"query": examples.QUERY, "texts": examples.TEXTS, "raw_scores": False}}
    )

    query: Annotated[str, Field(json_schema_extra=NOT_BLANK)]
    texts: Annotated[list[str], Field(json_schema_extra=NOT_EMPTY)]
    top_n: Annotated[Count | None, Field(description="Not TEI's; LiteLLM sends it. All when left out.")] = None
    raw_scores: bool = False
    return_text: bool = False
    truncate: Truncate = None
    truncation_direction: Direction = "right"


class Rank(BaseModel):
    """One text's place."""

    index: int
    score: float
    text: Annotated[str | None, Field(description="With return_text only.")] = None


def parse(body: RerankBody, http: HttpSettings) -> RerankRequest:
    """What a body asks for. Raises ServiceError invalid_request naming the field at fault."""
    require_query(body.query, "query")
    require_count(body.texts, NAMES, http.max_documents)
    return RerankRequest(
        model=None,
        query=body.query,
        documents=[Document(text) for text in body.texts],
        top_n=body.top_n,
        return_documents=body.return_text,
        raw_scores=body.raw_scores,
        reading=Reading(truncate=body.truncate is not False, truncated_side=side_of(body.truncation_direction)),
        names=NAMES,
    )


def render(ranking: Ranking, asked: Asked[RerankBody, RerankRequest]) -> Reply:
    """The answer: a bare array, best first."""
    ranks: list[dict[str, Any]] = [
        {"index": result.index, "score": score}
        for result, score in zip(ranking.results, shown_scores(ranking), strict=True)
    ]
    if asked.request.return_documents:
        for rank in ranks:
            rank["text"] = asked.request.documents[rank["index"]].text
    return Reply(to_json(ranks), cost_headers(ranking, asked.elapsed_s))


RERANK = Post(
    name="rerank_tei_or_vllm",
    paths=("/rerank",),
    scope="rerank",
    body=RerankBody,
    marks=Marks("Text Embeddings Inference", ("texts",)),
    parse=parse,
    answer=list[Rank],
    render=render,
    errors=ERRORS,
    words=Words(
        summary="Rank texts as Text Embeddings Inference does, or documents as vLLM does",
        example=[{"index": index, "score": score} for index, score in enumerate(examples.SCORES)],
        statuses=(400, 404, 408, 413, 415, 422, 424, 429, 500, 503),
    ),
)
