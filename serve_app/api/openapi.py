"""What the OpenAPI document says of each route beside its code: words, examples, headers, errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import FastAPI
from pydantic import BaseModel, TypeAdapter

from serve_app.api.dialects import cohere_v2, tei, vllm
from serve_app.api.headers import TIER_HEADER, TIMEOUT_HEADER
from serve_app.api.validation import RequestBody
from serve_app.domain.caller import TIERS

MODEL, ID = "sentence-transformers/all-MiniLM-L6-v2", "f66c4416b22b4dc9bce30181279de4ba"
RANKED = [{"index": 0, "relevance_score": 0.9425505}, {"index": 1, "relevance_score": 0.4707848}]


class ErrorDetail(BaseModel):
    """What went wrong. param: the field at fault."""

    message: str
    type: str
    code: str
    param: str | None
    retry_after_s: float | None


class ErrorBody(BaseModel):
    """An error, as OpenAI's clients read it; detail is for Jina's."""

    error: ErrorDetail
    detail: str


class Price(BaseModel):
    """US dollars. usd: for 1,000 documents."""

    unit: Literal["1k_documents"]
    usd: str
    usd_per_1m_tokens_embedded: str | None = None


class ModelBody(BaseModel):
    """A served model. replicas: how many run. failure: why it cannot be asked."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    aliases: list[str]
    task: Literal["rerank"]
    embeds: bool
    summary: str
    architecture: str
    context_length: int
    languages: list[str]
    license: str
    parameters: int
    pricing: Price
    throughput_documents_per_s: float | None
    status: Literal["ready", "cold", "loading", "failed"]
    failure: str | None
    replicas: int
    evaluation: list[dict[str, Any]]


class ModelList(BaseModel):
    """The served models, the default first."""

    object: Literal["list"]
    data: list[ModelBody]


class StatusBody(BaseModel):
    """A word."""

    status: str


@dataclass(frozen=True, slots=True)
class Operation:
    """Words and examples of a route.

    errors, statuses: the bodies that errors have, and their statuses. terms: whether it heeds what headers ask for.
    cached: whether answers have a tag.
    """

    summary: str
    example: Any
    errors: tuple[type[BaseModel], ...] = (ErrorBody,)
    statuses: tuple[int, ...] = (400, 404, 408, 413, 415, 429, 500, 503)
    terms: bool = True
    cached: bool = False
    description: str = ""


SCORES = {
    "id": f"score-{ID}",
    "object": "list",
    "created": 1_795_500_000,
    "model": MODEL,
    "data": [{"index": 0, "object": "score", "score": 0.9425505}, {"index": 1, "object": "score", "score": 0.4707848}],
    "usage": {"prompt_tokens": 20, "total_tokens": 20, "completion_tokens": 0, "prompt_tokens_details": None},
}
MODEL_EXAMPLE = {
    "id": MODEL,
    "object": "model",
    "created": 1_795_500_000,
    "owned_by": "sentence-transformers",
    "aliases": ["all-MiniLM-L6-v2", "embedded"],
    "task": "rerank",
    "embeds": True,
    "summary": "Small English bi-encoder that ranks by cosine; comes as a package, so nothing is downloaded.",
    "architecture": "BERT, 6 layers, hidden 384, 12 heads",
    "context_length": 256,
    "languages": ["en"],
    "license": "Apache-2.0",
    "parameters": 22_700_000,
    "pricing": {"unit": "1k_documents", "usd": "0", "usd_per_1m_tokens_embedded": "0"},
    "throughput_documents_per_s": 128.4,
    "status": "ready",
    "failure": None,
    "replicas": 1,
    "evaluation": [],
}
OPERATIONS: Mapping[str, Operation] = {
    "rerank": Operation(
        "Rank documents by relevance to a query",
        {
            "id": f"rerank-{ID}",
            "object": "rerank",
            "model": MODEL,
            "results": RANKED,
            "usage": {"prompt_tokens": 20, "total_tokens": 20, "billed_documents": 2, "cost_usd": "0"},
            "meta": {
                "api_version": {"version": "1"},
                "billed_units": {"search_units": 1},
                "tokens": {"input_tokens": 20},
            },
        },
        description="What Jina's, Cohere v1's and vLLM's clients send and read, too.",
    ),
    "rerank_cohere_v2": Operation(
        "Rank documents, as Cohere's ClientV2 asks for it",
        {
            "id": ID,
            "results": RANKED[:1],
            "meta": {
                "api_version": {"version": "2"},
                "billed_units": {"search_units": 1},
                "tokens": {"input_tokens": 20},
            },
        },
        errors=(cohere_v2.ErrorBody,),
    ),
    "rerank_tei_or_vllm": Operation(
        "Rank texts as Text Embeddings Inference does, or documents as vLLM does",
        [{"index": 0, "score": 0.9425505}, {"index": 1, "score": 0.4707848}],
        errors=(tei.ErrorBody, vllm.ErrorBody),
        statuses=(400, 404, 408, 413, 415, 422, 424, 429, 500, 503),
        description="`texts` marks the one, `documents` the other; the answer and the errors follow.",
    ),
    "score": Operation("Score pairs of texts, as vLLM does", SCORES, errors=(vllm.ErrorBody,)),
    "score_v1": Operation("Score pairs of texts, as vLLM does", SCORES, errors=(vllm.ErrorBody,)),
    "embeddings": Operation(
        "Turn texts into vectors, as OpenAI does",
        {
            "object": "list",
            "data": [{"object": "embedding", "index": 0, "embedding": [0.0612, -0.0341, 0.0127]}],
            "model": MODEL,
            "usage": {"prompt_tokens": 9, "total_tokens": 9, "cost_usd": "0"},
        },
    ),
    "embed": Operation(
        "Turn texts into vectors by the default model, as Text Embeddings Inference does",
        [[0.0612, -0.0341, 0.0127]],
        errors=(tei.ErrorBody,),
        statuses=(400, 408, 413, 415, 422, 424, 429, 503),
    ),
    "tokenize": Operation(
        "Split texts into the default model's tokens, as Text Embeddings Inference does",
        [
            [
                {"id": 101, "text": "[CLS]", "special": True, "start": None, "stop": None},
                {"id": 3000, "text": "paris", "special": False, "start": 0, "stop": 5},
                {"id": 102, "text": "[SEP]", "special": True, "start": None, "stop": None},
            ]
        ],
        errors=(tei.ErrorBody,),
        statuses=(400, 413, 415, 422, 424, 503),
        terms=False,
    ),
    "info": Operation(
        "What the server serves, as Text Embeddings Inference says it",
        {
            "model_id": MODEL,
            "model_sha": None,
            "model_dtype": "float32",
            "served_model_name": MODEL,
            "model_type": {"embedding": {"pooling": "mean"}},
            "max_concurrent_requests": 512,
            "max_input_length": 256,
            "max_batch_tokens": 16384,
            "max_batch_requests": None,
            "max_client_batch_size": 10000,
            "auto_truncate": True,
            "tokenization_workers": 1,
            "version": "0.1.0",
            "sha": None,
            "docker_label": None,
        },
        errors=(tei.ErrorBody,),
        statuses=(503,),
        terms=False,
    ),
    "models": Operation(
        "The served models", {"object": "list", "data": [MODEL_EXAMPLE]}, statuses=(503,), terms=False, cached=True
    ),
    "model": Operation("One served model", MODEL_EXAMPLE, statuses=(404, 503), terms=False, cached=True),
    "health": Operation("Whether this process is alive", {"status": "ok"}, statuses=(503,), terms=False),
    "ready": Operation(
        "Whether a request for the default model would be served", {"status": "ready"}, statuses=(503,), terms=False
    ),
}
DESCRIPTIONS: Mapping[int, str] = {
    400: "The request cannot be read, or not as it is; the message names field, value and limit.",
    404: "The model is not served here.",
    408: "The request's time ran out; nothing is charged.",
    413: "Too large.",
    415: "Not JSON, or packed in a way that is not known.",
    422: "A field has another type.",
    424: "The model failed.",
    429: "It would have to wait for too long.",
    500: "Something broke; the request id finds it in the logs.",
    503: "The model is starting (its first request wakes it), or has failed.",
}
ERROR_EXAMPLES: Mapping[type[BaseModel], Any] = {
    ErrorBody: {
        "error": {
            "message": "query must not be empty or blank",
            "type": "invalid_request_error",
            "code": "invalid_request",
            "param": "query",
            "retry_after_s": None,
        },
        "detail": "query must not be empty or blank",
    },
    cohere_v2.ErrorBody: {"id": ID, "message": "query must not be empty or blank"},
    vllm.ErrorBody: {
        "error": {
            "message": "text_1 must not be empty or blank",
            "type": "BadRequestError",
            "param": "text_1",
            "code": 400,
        }
    },
    tei.ErrorBody: {"error": "query must not be empty or blank", "error_type": "Empty"},
}
REQUEST_ID_HEADER = {"description": "The client's own, or a new one.", "schema": {"type": "string"}}
TIMING_HEADER = {"description": "Milliseconds of each stage (W3C Server Timing).", "schema": {"type": "string"}}
TAG_HEADER = {"description": "Of the body, for If-None-Match.", "schema": {"type": "string"}}
RETRY_HEADER = {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}
TERMS: Sequence[Mapping[str, Any]] = (
    {
        "name": TIMEOUT_HEADER,
        "in": "header",
        "description": "Shortens the server's limit for this request.",
        "schema": {"type": "number", "exclusiveMinimum": 0},
        "example": 10,
    },
    {
        "name": TIER_HEADER,
        "in": "header",
        "description": "batch gives way to other requests.",
        "schema": {"type": "string", "enum": list(TIERS)},
        "example": TIERS[0],
    },
    {
        "name": "prefer",
        "in": "header",
        "description": "`wait=N`: hold the request for so many seconds while a model without replicas starts.",
        "schema": {"type": "string"},
        "example": "wait=60",
    },
)

Body = type[RequestBody] | tuple[type[RequestBody], ...] | None


def operation(name: str, body: Body, answer: Any) -> dict[str, Any]:
    """What FastAPI's decorator takes for a route. answer: the type of its body, or a tuple of types."""
    about = OPERATIONS[name]
    answer_type = answer
    if isinstance(answer, tuple):
        answer_type = answer[0] | answer[1]
    headers = {"X-Request-Id": REQUEST_ID_HEADER}
    good = (
        headers
        | ({"Server-Timing": TIMING_HEADER} if about.terms else {})
        | ({"ETag": TAG_HEADER} if about.cached else {})
    )
    responses: dict[int | str, dict[str, Any]] = {
        200: {"headers": good, "content": {"application/json": {"example": about.example}}}
    }
    if about.cached:
        responses[304] = {"description": "Not changed since the tag in If-None-Match.", "headers": good}
    for status in about.statuses:
        retry = {"Retry-After": RETRY_HEADER} if status in {429, 503} else {}
        responses[status] = {
            "description": DESCRIPTIONS[status],
            "headers": headers | retry,
            "content": {
                "application/json": {"schema": _schema(about.errors), "example": ERROR_EXAMPLES[about.errors[0]]}
            },
        }
    extra: dict[str, Any] = {}
    if body is not None:
        schema = _schema(body if isinstance(body, tuple) else (body,))
        extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if about.terms:
        extra["parameters"] = list(TERMS)
    return {
        "operation_id": name,
        "summary": about.summary,
        "description": about.description,
        "response_model": answer_type,
        "responses": responses,
        "openapi_extra": extra,
    }


def _schema(models: tuple[type[BaseModel], ...]) -> dict[str, Any]:
    """The schema of one of these."""
    schemas = [_inlined(TypeAdapter(model).json_schema()) for model in models]
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without references: OpenAPI's lead into its components."""
    definitions = schema.pop("$defs", {})

    def replaced(part: Any) -> Any:
        if isinstance(part, dict):
            if reference := part.get("$ref"):
                return replaced(definitions[reference.rpartition("/")[2]])
            return {key: replaced(value) for key, value in part.items()}
        return [replaced(each) for each in part] if isinstance(part, list) else part

    found: dict[str, Any] = replaced(schema)
    return found


def complete(app: FastAPI) -> None:
    """Take out of the document what is never answered: FastAPI's own 422."""
    generate = app.openapi

    def document() -> dict[str, Any]:
        made = generate()
        for path in made["paths"].values():
            for method in path.values():
                invalid = method["responses"].get("422")
                if invalid and "HTTPValidationError" in str(invalid):
                    del method["responses"]["422"]
        for name in ("HTTPValidationError", "ValidationError"):
            made["components"]["schemas"].pop(name, None)
        return made

    app.openapi = document  # type: ignore[method-assign]
