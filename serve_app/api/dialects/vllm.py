"""vLLM's `POST /score`, `/v1/score` and `/rerank`.

`/v1/rerank` and `/v2/rerank` are there, too: the native form and Cohere's are supersets of what vLLM's clients read.
"""

import time
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from serve_app.api.dialects import examples, native
from serve_app.api.dialects.instructions import JudgingBody
from serve_app.api.dialects.results import priced
from serve_app.api.dialects.truncation import ReadingBody
from serve_app.api.endpoint import Asked, Marks, Post, Reply, Words
from serve_app.api.error_form import ErrorForm
from serve_app.api.errors import STATUS
from serve_app.api.lenient import Flag, Items, ModelName
from serve_app.api.validation import require_count, require_query, require_same
from serve_app.domain.answer import PairScores, Usage
from serve_app.domain.errors import ServiceError
from serve_app.domain.float32 import shortest_each
from serve_app.domain.request import FieldNames, RerankRequest, ScoreRequest
from serve_app.settings import EMBEDDED_MODEL, HttpSettings

# The names that its exceptions go by; other statuses have HTTP's own phrase.
ERROR_TYPES = {
    400: "BadRequestError",
    404: "NotFoundError",
    500: "InternalServerError",
    503: "ServiceUnavailableError",
}

Texts = str | Items[str]
# What the two sides are called, the first that is there counts; vLLM has renamed them.
FIRST, SECOND = ("text_1", "queries", "data_1"), ("text_2", "documents", "items", "data_2")


class RerankBody(native.RerankBody):
    """As of /v1/rerank, but that documents come back unless they are not wanted."""

    use_activation: Annotated[Flag | None, Field(description="false: the model's own score, not 0 to 1.")] = None


class ErrorDetail(BaseModel):
    """What went wrong. code: the status. param: the field at fault."""

    message: str
    type: str
    param: str | None
    code: int


class ErrorBody(BaseModel):
    """An error of this dialect."""

    error: ErrorDetail


class ScoreBody(ReadingBody, JudgingBody):
    """Two texts, one and many, or as many of each: pairs to score, in their order."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"model": EMBEDDED_MODEL, "text_1": examples.QUERY, "text_2": examples.TEXTS}}
    )

    item_forms = dict.fromkeys((*FIRST, *SECOND), "a string or an array of strings")

    model: ModelName = None
    text_1: Annotated[Texts | None, Field(description="Query or queries.")] = None
    text_2: Annotated[Texts | None, Field(description="Document or documents.")] = None
    queries: Annotated[Texts | None, Field(description="Another name of text_1.")] = None
    documents: Annotated[Texts | None, Field(description="Another name of text_2.")] = None
    items: Annotated[Texts | None, Field(description="Another name of text_2.")] = None
    data_1: Annotated[Texts | None, Field(description="Another name of text_1.")] = None
    data_2: Annotated[Texts | None, Field(description="Another name of text_2.")] = None
    use_activation: Annotated[Flag | None, Field(description="false: the model's own score, not 0 to 1.")] = None
    raw_scores: Annotated[Flag | None, Field(description="The same, as our other routes have it.")] = None


class ScoreData(BaseModel):
    """The score of one pair."""

    index: int
    object: Literal["score"]
    score: float


class UsageBody(BaseModel):
    """Tokens that the model read, and their price in US dollars. search_units: pairs, in hundreds."""

    prompt_tokens: int
    total_tokens: int
    completion_tokens: int | None
    prompt_tokens_details: None
    cost: float
    search_units: int


class ScoreAnswer(BaseModel):
    """Scores in the order of the pairs."""

    id: str
    object: Literal["list"]
    created: int
    model: str
    data: list[ScoreData]
    usage: UsageBody


def parse_rerank(body: RerankBody, http: HttpSettings) -> RerankRequest:
    """What a body asks for. Raises ServiceError invalid_request naming the field at fault."""
    request = native.parse(body, http)
    return replace(
        request,
        return_documents=body.return_documents is not False,
        raw_scores=request.raw_scores or body.use_activation is False,
    )


def parse_score(body: ScoreBody, http: HttpSettings) -> ScoreRequest:
    """What a body asks for. Raises ServiceError invalid_request naming the field at fault."""
    first, queries = _side(body, FIRST)
    second, texts = _side(body, SECOND)
    names = FieldNames(query=first, documents=second)
    require_count(queries, FieldNames(documents=first), http.max_documents)
    require_count(texts, names, http.max_documents)
    if len(queries) not in {1, len(texts)}:
        message = (
            f"{first} has {len(queries):,} texts and {second} {len(texts):,}; give one and any, or as many of each"
        )
        raise ServiceError("invalid_request", message, first)
    for index, query in enumerate(queries):
        require_query(query, first if isinstance(getattr(body, first), str) else f"{first}[{index}]")
    return ScoreRequest(
        model=body.model,
        queries=queries if len(queries) == len(texts) else queries * len(texts),
        texts=texts,
        raw_scores=bool(body.raw_scores) or body.use_activation is False,
        instruction=body.told,
        reading=body.reading(),
        names=names,
    )


def _side(body: ScoreBody, names: tuple[str, ...]) -> tuple[str, list[str]]:
    """The name that a side was given by, and its texts. Raises ServiceError where two names of it differ."""
    given = {name: texts for name in names if (texts := getattr(body, name)) is not None}
    if not given:
        raise ServiceError("invalid_request", f"{names[0]} is missing", names[0], fault="type")
    (first, texts), *others = ((name, [texts] if isinstance(texts, str) else texts) for name, texts in given.items())
    for name, other in others:
        require_same(first, texts, name, other)
    return first, texts


def render_score(scores: PairScores, asked: Asked[ScoreBody, ScoreRequest]) -> Reply:
    """The answer."""
    return Reply(to_json(_scores(f"score-{asked.request_id}", int(time.time()), scores)))


def _scores(answer_id: str, created: int, scores: PairScores) -> dict[str, Any]:
    tokens = scores.usage.tokens
    return {
        "id": answer_id,
        "object": "list",
        "created": created,
        "model": scores.model,
        "data": [
            {"index": index, "object": "score", "score": score}
            for index, score in enumerate(shortest_each(scores.scores).tolist())
        ],
        "usage": {
            "prompt_tokens": tokens,
            "total_tokens": tokens,
            "completion_tokens": 0,
            "prompt_tokens_details": None,
            **priced(scores.usage),
        },
    }


def error_body(error: ServiceError, request_id: str) -> tuple[int, dict[str, Any]]:  # noqa: ARG001 - as in other dialects
    """Status and body of an error."""
    status = STATUS[error.code]
    kind = ERROR_TYPES.get(status, HTTPStatus(status).phrase)
    return status, {"error": {"message": error.message, "type": kind, "param": error.param, "code": status}}


BLANK_TEXT = ServiceError("invalid_request", "text_1 must not be empty or blank", "text_1")
ERRORS = ErrorForm(ErrorBody, error_body, error_body(BLANK_TEXT, "")[1])
SCORE = Post(
    name="score",
    paths=("/score", "/v1/score"),
    scope="rerank",
    body=ScoreBody,
    parse=parse_score,
    answer=ScoreAnswer,
    render=render_score,
    errors=ERRORS,
    words=Words(
        summary="Score pairs of texts, as vLLM does",
        example=_scores(
            f"score-{examples.REQUEST_ID}",
            examples.CREATED,
            PairScores(EMBEDDED_MODEL, list(examples.SCORES), Usage(tokens=20, documents=2, nano_dollars=2_000)),
        ),
    ),
)
RERANK = Post(
    name="rerank_vllm",
    paths=("/rerank",),
    scope="rerank",
    body=RerankBody,
    marks=Marks(("documents",), unless=("texts",)),
    parse=parse_rerank,
    answer=native.RerankAnswer,
    render=native.render,
    errors=ERRORS,
    words=Words(
        summary="Rank documents, as vLLM does",
        description="`documents` without `texts` marks vLLM's form; the answer and the errors follow.",
        example=native.RERANK.words.example,
    ),
)
