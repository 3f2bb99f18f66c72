"""Text Embeddings Inference's `POST /rerank`."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from serve_app.api.dialects import examples
from serve_app.api.dialects.documents import ITEM_FORMS, documents_of
from serve_app.api.dialects.instructions import JudgingBody
from serve_app.api.dialects.results import shown_scores
from serve_app.api.dialects.selection import SelectionBody
from serve_app.api.dialects.tei.errors import ERRORS
from serve_app.api.dialects.tei.fields import Prompt, cost_headers
from serve_app.api.dialects.truncation import ReadingBody
from serve_app.api.endpoint import Asked, Post, Reply, Words
from serve_app.api.lenient import Flag, Items, ModelName
from serve_app.api.validation import NOT_BLANK, NOT_EMPTY, require_count, require_query, require_same
from serve_app.domain.answer import Ranking
from serve_app.domain.errors import ServiceError
from serve_app.domain.request import Document, FieldNames, RerankRequest
from serve_app.settings import HttpSettings

NAMES = FieldNames(documents="texts")


class RerankBody(SelectionBody, ReadingBody, JudgingBody):
    """A query and texts to rank. What is not TEI's is there for clients that send what other services read, too."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"query": examples.QUERY, "texts": examples.TEXTS, "raw_scores": False}}
    )

    item_forms: ClassVar[Mapping[str, str]] = ITEM_FORMS

    model: ModelName = None
    query: Annotated[str, Field(json_schema_extra=NOT_BLANK)]
    texts: Annotated[Items[str], Field(json_schema_extra=NOT_EMPTY)]
    documents: Annotated[
        Items[str | dict[str, Any]] | None, Field(description="The same once more, as vLLM names them.")
    ] = None
    raw_scores: Flag | None = None
    return_text: Flag | None = None
    prompt_name: Prompt = None


class Rank(BaseModel):
    """One text's place."""

    index: int
    score: float
    text: Annotated[str | None, Field(description="With return_text only.")] = None


def parse(body: RerankBody, http: HttpSettings) -> RerankRequest:
    """What a body asks for. Raises ServiceError invalid_request naming the field at fault."""
    require_query(body.query, "query")
    require_count(body.texts, NAMES, http.max_documents)
    if body.documents is not None:
        _require_same_texts(body.texts, documents_of(body.documents))
    return RerankRequest(
        model=body.model,
        query=body.query,
        documents=[Document(text) for text in body.texts],
        top_n=body.most,
        score_threshold=body.score_threshold,
        return_documents=bool(body.return_text),
        raw_scores=bool(body.raw_scores),
        reading=body.reading(),
        names=NAMES,
        prompt_name=body.prompt_name,
        instruction=body.told,
    )


def _require_same_texts(texts: list[str], documents: list[Document]) -> None:
    """Raise ServiceError where two lists of what is to be ranked differ, naming where."""
    if len(texts) != len(documents):
        message = f"texts has {len(texts):,} entries and documents {len(documents):,}; give one list, or the same twice"
        raise ServiceError("invalid_request", message, "documents")
    for index, (text, document) in enumerate(zip(texts, documents, strict=True)):
        require_same(f"texts[{index}]", text, f"documents[{index}]", document.text)


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
