"""NVIDIA NIM's `POST /v1/ranking`, as its LangChain package and LiteLLM's `nvidia_nim/ranking/` send and read it."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError, to_json

from serve_app.api.dialects import examples
from serve_app.api.dialects.instructions import JudgingBody
from serve_app.api.dialects.results import shown_scores
from serve_app.api.dialects.selection import SelectionBody
from serve_app.api.dialects.truncation import TruncationBody
from serve_app.api.endpoint import Asked, Marks, Post, Reply, Words
from serve_app.api.lenient import Items, ModelName, flag
from serve_app.api.validation import NOT_BLANK, NOT_EMPTY, RequestBody, require_count, require_query
from serve_app.domain.answer import Ranking
from serve_app.domain.request import Document, FieldNames, Reading, RerankRequest
from serve_app.settings import EMBEDDED_MODEL, HttpSettings

NAMES = FieldNames(query="query.text", documents="passages", to_truncate='"truncate": "END"')


TRUNCATES = {"END": True, "NONE": False}


def _ends(value: object) -> object:
    """Whether long texts are cut, as NIM says it or as all others do."""
    found = TRUNCATES[value] if isinstance(value, str) and value in TRUNCATES else flag(value)
    if not isinstance(found, bool):
        raise PydanticCustomError("truncate", "Input should be 'END' or 'NONE'")
    return found


class QueryText(RequestBody):
    """What the passages are ranked by."""

    text: Annotated[str, Field(description="Not blank.", json_schema_extra=NOT_BLANK)]


class PassageText(RequestBody):
    """One passage. An image beside it is not looked at."""

    text: str


class RankingBody(SelectionBody, TruncationBody, JudgingBody):
    """What to rank."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "model": EMBEDDED_MODEL,
                "query": {"text": examples.QUERY},
                "passages": [{"text": text} for text in examples.TEXTS],
                "truncate": "END",
            }
        }
    )

    inner: ClassVar[frozenset[str]] = frozenset({"text"})

    model: ModelName = None
    query: QueryText
    passages: Annotated[Items[PassageText], Field(json_schema_extra=NOT_EMPTY)]
    truncate: Annotated[
        Annotated[bool, BeforeValidator(_ends), WithJsonSchema({"type": "string", "enum": ["END", "NONE"]})] | None,
        Field(description="END: cut long texts (default); NONE: refuse them."),
    ] = None


class RankedPassage(BaseModel):
    """One passage's place. logit: the model's own score."""

    index: int
    logit: float


class RankingUsage(BaseModel):
    """Tokens that the model read."""

    prompt_tokens: int
    total_tokens: int


class RankingAnswer(BaseModel):
    """Passages by relevance, best first; ties by index."""

    rankings: list[RankedPassage]
    usage: RankingUsage


def parse(body: RankingBody, http: HttpSettings) -> RerankRequest:
    """What a body asks for. Raises ServiceError invalid_request naming the field at fault."""
    require_query(body.query.text, NAMES.query)
    require_count(body.passages, NAMES, http.max_documents)
    return RerankRequest(
        model=body.model,
        query=body.query.text,
        documents=[Document(passage.text) for passage in body.passages],
        top_n=body.most,
        score_threshold=body.score_threshold,
        raw_scores=True,
        instruction=body.told,
        reading=Reading(truncate=body.cut is not False, truncated_side=body.side),
        names=NAMES,
    )


def render(ranking: Ranking, asked: Asked[RankingBody, RerankRequest]) -> Reply:  # noqa: ARG001 - as in other dialects
    """The answer."""
    rankings = [
        {"index": result.index, "logit": score}
        for result, score in zip(ranking.results, shown_scores(ranking), strict=True)
    ]
    tokens = ranking.usage.tokens
    return Reply(to_json({"rankings": rankings, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}))


RANKING = Post(
    name="ranking",
    paths=("/v1/ranking", "/v1/reranking", "/reranking"),
    scope="rerank",
    body=RankingBody,
    marks=Marks(("passages",), unless=("documents",)),
    parse=parse,
    answer=RankingAnswer,
    render=render,
    words=Words(
        summary="Rank passages, as NVIDIA NIM does",
        description="`passages` without `documents` marks NVIDIA NIM's form; the answer follows.",
        example={
            "rankings": [{"index": 0, "logit": 0.8851010}, {"index": 1, "logit": -0.0584304}],
            "usage": {"prompt_tokens": 20, "total_tokens": 20},
        },
    ),
)
