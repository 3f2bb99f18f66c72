"""Text Embeddings Inference's `POST /rerank`, `/embed`, `/tokenize` and `GET /info`."""

from collections.abc import Mapping
from itertools import accumulate
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from serve_app import __version__
from serve_app.api.dialects.native import shortest
from serve_app.api.dialects.openai import Inputs, checked_inputs
from serve_app.api.limits import Limits
from serve_app.api.validation import NOT_BLANK, NOT_EMPTY, Count, RequestBody, require_count, require_query, validated
from serve_app.domain.answer import Embeddings, Ranking, Token
from serve_app.domain.errors import ServiceError
from serve_app.domain.model import ModelInfo
from serve_app.domain.request import Document, EmbedRequest, FieldNames, Reading, RerankRequest, Side

NAMES, INPUTS = FieldNames(documents="texts"), FieldNames(documents="inputs")
Direction = Annotated[
    Literal["left", "right", "Left", "Right"], Field(description="The side on which long texts are cut.")
]
ErrorType = Literal["Unhealthy", "Backend", "Overloaded", "Validation", "Tokenizer", "Empty"]
# Its statuses for what is wrong with a request (router/src/http/server.rs, since 1.9: before, Validation was 413), and
# axum's for a body that is no JSON.
FAULTS: Mapping[str, tuple[int, ErrorType]] = {
    "syntax": (400, "Validation"),
    "type": (422, "Validation"),
    "empty": (400, "Empty"),
    "size": (422, "Validation"),
    "value": (422, "Validation"),
}
ERROR_TYPES: Mapping[int, ErrorType] = {429: "Overloaded", 503: "Unhealthy", 500: "Backend", 408: "Backend"}
STATUSES = {500: 424}


class RerankBody(RequestBody):
    """A query and texts to rank by the server's default model."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "query": "capital of France",
                "texts": ["Paris is the capital of France.", "Bananas are yellow."],
                "raw_scores": False,
            }
        }
    )

    query: Annotated[str, Field(json_schema_extra=NOT_BLANK)]
    texts: Annotated[list[str], Field(json_schema_extra=NOT_EMPTY)]
    top_n: Annotated[Count | None, Field(description="Not TEI's; LiteLLM sends it. All when left out.")] = None
    raw_scores: bool = False
    return_text: bool = False
    truncate: Annotated[bool | None, Field(description="Cut long texts (default); false: refuse them.")] = None
    truncation_direction: Direction = "right"


class Rank(BaseModel):
    """One text's place."""

    index: int
    score: float
    text: Annotated[str | None, Field(description="With return_text only.")] = None


class TokenizeBody(RequestBody):
    """Texts to split into the tokens of the server's default model."""

    model_config = ConfigDict(json_schema_extra={"example": {"inputs": "Paris is the capital of France."}})

    item_forms: ClassVar[Mapping[str, str]] = {"inputs": "a string"}

    inputs: str | Annotated[list[str], Field(json_schema_extra=NOT_EMPTY)]
    add_special_tokens: bool = True
    prompt_name: Annotated[None, Field(description="No model here has prompts.")] = None


class EmbedBody(RequestBody):
    """Texts to turn into vectors by the server's default model."""

    model_config = ConfigDict(json_schema_extra={"example": {"inputs": "Paris is the capital of France."}})

    item_forms: ClassVar[Mapping[str, str]] = {"inputs": "a string or an array of token ids"}

    inputs: Inputs
    truncate: Annotated[bool | None, Field(description="Cut long texts (default); false: refuse them.")] = None
    truncation_direction: Direction = "right"
    normalize: Annotated[Literal[True], Field(description="Vectors here always have length 1.")] = True
    dimensions: Annotated[Count | None, Field(description="Only the model's own number is taken.")] = None
    prompt_name: Annotated[None, Field(description="No model here has prompts.")] = None


class SimpleToken(BaseModel):
    """One token: where it lies in its text, in bytes of UTF-8, unless it is a special one."""

    id: int
    text: str
    special: bool
    start: int | None
    stop: int | None


class Info(BaseModel):
    """What the server serves: its default model."""

    model_id: str
    model_sha: str | None
    model_dtype: str
    served_model_name: str
    model_type: dict[str, Any]
    max_concurrent_requests: int
    max_input_length: int
    max_batch_tokens: int
    max_batch_requests: int | None
    max_client_batch_size: int
    auto_truncate: bool
    tokenization_workers: int
    version: str
    sha: str | None
    docker_label: str | None


class ErrorBody(BaseModel):
    """An error of this dialect."""

    error: str
    error_type: ErrorType


def parse(body: bytes, max_documents: int) -> RerankRequest:
    """The request in a body. Raises ServiceError invalid_request naming the field at fault."""
    parsed = validated(RerankBody, body)
    require_query(parsed.query, "query")
    require_count(parsed.texts, NAMES, max_documents)
    return RerankRequest(
        model=None,
        query=parsed.query,
        documents=[Document(text) for text in parsed.texts],
        top_n=parsed.top_n,
        return_documents=parsed.return_text,
        raw_scores=parsed.raw_scores,
        reading=Reading(truncate=parsed.truncate is not False, truncated_side=_side(parsed.truncation_direction)),
        names=NAMES,
    )


def render(ranking: Ranking, request: RerankRequest) -> bytes:
    """The answer's body: a bare array, best first."""
    ranks: list[dict[str, Any]] = [
        {"index": result.index, "score": shortest(result.relevance_score)} for result in ranking.results
    ]
    if request.return_documents:
        for rank in ranks:
            rank["text"] = request.documents[rank["index"]].text
    return to_json(ranks)


def headers(answer: Ranking | Embeddings, total_s: float) -> dict[str, str]:
    """What this dialect says of a request's cost: times in whole milliseconds."""
    stages, usage = answer.stages, answer.usage
    milliseconds = {
        "x-compute-time": total_s,
        "x-total-time": total_s,
        "x-tokenization-time": stages.tokenize,
        "x-queue-time": stages.queue,
        "x-inference-time": stages.score,
    }
    return {
        "x-compute-type": "rayrank",
        "x-compute-characters": str(usage.characters),
        "x-compute-tokens": str(usage.tokens),
    } | {name: str(round(1_000 * seconds)) for name, seconds in milliseconds.items()}


def _side(direction: str) -> Side:
    return "left" if direction.lower() == "left" else "right"


def parse_embed(body: bytes, max_inputs: int) -> EmbedRequest:
    """The request in a body. Raises ServiceError invalid_request naming the field at fault."""
    parsed = validated(EmbedBody, body)
    return EmbedRequest(
        model=None,
        inputs=checked_inputs(parsed.inputs, INPUTS, max_inputs),
        dimensions=parsed.dimensions,
        truncate=parsed.truncate is not False,
        truncated_side=_side(parsed.truncation_direction),
        names=INPUTS,
    )


def render_vectors(embeddings: Embeddings) -> bytes:
    """The answer's body: an array of vectors."""
    return to_json([[shortest(value) for value in row] for row in embeddings.vectors])


def parse_tokenize(body: bytes, max_inputs: int) -> tuple[list[str], bool]:
    """The texts, and whether special tokens are wanted. Raises ServiceError invalid_request naming the field at fault."""
    parsed = validated(TokenizeBody, body)
    texts = [parsed.inputs] if isinstance(parsed.inputs, str) else parsed.inputs
    require_count(texts, INPUTS, max_inputs)
    return texts, parsed.add_special_tokens


def render_tokens(texts: list[str], tokens: list[list[Token]]) -> bytes:
    """The answer's body: an array of tokens for each text. A token's text is what it was made of."""
    return to_json([_of_text(text, found) for text, found in zip(texts, tokens, strict=True)])


def _of_text(text: str, tokens: list[Token]) -> list[dict[str, Any]]:
    ends = list(accumulate((len(character.encode("utf-8", "surrogatepass")) for character in text), initial=0))
    return [
        {
            "id": token.id,
            "text": text[token.span.start : token.span.end] if token.span else token.text,
            "special": token.special,
            "start": ends[token.span.start] if token.span else None,
            "stop": ends[token.span.end] if token.span else None,
        }
        for token in tokens
    ]


def info(model: ModelInfo, limits: Limits) -> bytes:
    """The body of `GET /info`."""
    label = {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}
    kind: dict[str, Any] = {"embedding": {"pooling": "mean"}} if model.embeds else {"reranker": label}
    return to_json(
        {
            "model_id": model.id,
            "model_sha": None,
            "model_dtype": "float32",
            "served_model_name": model.id,
            "model_type": kind,
            "max_concurrent_requests": limits.max_concurrent_requests,
            "max_input_length": model.context_length,
            "max_batch_tokens": limits.max_shard_tokens,
            "max_batch_requests": None,
            "max_client_batch_size": limits.max_documents,
            "auto_truncate": True,
            "tokenization_workers": limits.tokenizer_threads,
            "version": __version__,
            "sha": None,
            "docker_label": None,
        }
    )


def error_body(error: ServiceError, request_id: str) -> tuple[int, dict[str, Any]]:  # noqa: ARG001 - as in other dialects
    """Status and body of an error."""
    if error.code == "invalid_request":
        status, kind = FAULTS[error.fault]
    else:
        status, kind = STATUSES.get(error.status, error.status), ERROR_TYPES.get(error.status, "Validation")
    return status, {"error": error.message, "error_type": kind}
