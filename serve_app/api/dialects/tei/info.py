"""Text Embeddings Inference's `GET /info`."""

from typing import Any

from pydantic import BaseModel

from serve_app import __version__
from serve_app.api.dialects.models import EXAMPLE_INFO
from serve_app.api.dialects.tei.errors import ERRORS
from serve_app.api.endpoint import Get, Lookup, Words
from serve_app.domain.model import ModelInfo
from serve_app.settings import Settings


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


def info_body(model: ModelInfo, settings: Settings) -> Info:
    """What is told of a model and its server."""
    return Info(
        model_id=model.facts.id,
        model_sha=None,
        model_dtype=model.state.precision or "float32",
        served_model_name=model.facts.id,
        model_type=_kind(model),
        max_concurrent_requests=settings.queue.max_concurrent_requests,
        max_input_length=model.context_length,
        max_batch_tokens=settings.sharding.max_tokens,
        max_batch_requests=None,
        max_client_batch_size=settings.http.max_documents,
        auto_truncate=True,
        tokenization_workers=settings.gateway.tokenizer_threads,
        version=__version__,
        sha=None,
        docker_label=None,
    )


def _kind(model: ModelInfo) -> dict[str, Any]:
    if model.facts.embeds:
        return {"embedding": {"pooling": model.state.pooling or "mean"}}
    return {"reranker": {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}}


def info(lookup: Lookup) -> bytes:
    """The body."""
    return info_body(lookup.service.models()[0], lookup.settings).model_dump_json().encode()


INFO = Get(
    name="info",
    paths=("/info",),
    scope=None,
    answer=Info,
    tell=info,
    errors=ERRORS,
    words=Words(
        summary="What the server serves, as Text Embeddings Inference says it",
        example=info_body(EXAMPLE_INFO, Settings.model_construct()).model_dump(),
        statuses=(503,),
    ),
)
