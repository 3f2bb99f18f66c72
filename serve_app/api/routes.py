"""The HTTP surface: parse, call the service, render."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi_offline import FastAPIOffline
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.responses import Response

from serve_app import __version__
from serve_app.api.body import read_json_body
from serve_app.api.context import RequestContext
from serve_app.api.dialects import native
from serve_app.api.errors import APIError, shown
from serve_app.api.limits import Limits
from serve_app.api.service import ModelInfo, RankingService
from serve_app.api.terms import read_terms

ERROR_SCHEMA = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "code", "param", "retry_after_s"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "code": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "retry_after_s": {"type": ["number", "null"]},
            },
        }
    },
}


def build_api(service: RankingService, limits: Limits) -> FastAPI:
    """The ASGI application over a service."""
    app = FastAPIOffline(
        title="rayrank",
        version=__version__,
        description="Sends documents back sorted by relevance to a query.",
        openapi_url="/v1/openapi.json",
        redoc_url=None,
        redirect_slashes=False,
    )
    app.add_middleware(RequestContext)
    app.add_exception_handler(APIError, _answer_error)
    app.add_exception_handler(HTTPException, _answer_http_exception)

    @app.post(
        "/v1/rerank",
        summary="Rank documents by relevance to a query",
        response_model=native.RerankAnswer,
        response_model_exclude_none=True,
        responses=_errors(400, 404, 408, 413, 415, 429, 500, 503),
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": native.RerankBody.model_json_schema()}},
            }
        },
    )
    async def rerank(request: Request) -> Response:
        terms = read_terms(request, limits)
        body = await read_json_body(request, limits.max_body_bytes)
        parsed = native.parse(body, limits.max_documents)
        ranking = await service.rank(parsed, terms)
        return _json(native.render(ranking, parsed, request.state.request_id))

    @app.get("/v1/models", summary="The served models", response_model=None)
    async def models() -> Response:
        return _json(to_json({"object": "list", "data": [_model(info) for info in service.models()]}))

    @app.get("/v1/models/{model:path}", summary="One served model", response_model=None, responses=_errors(404))
    async def model(model: str) -> Response:
        if info := service.find_model(model):
            return _json(to_json(_model(info)))
        raise model_not_found(model, service)

    @app.get("/health", summary="Whether this process is alive", response_model=None)
    async def health() -> Response:
        return _json(b'{"status":"ok"}')

    @app.get(
        "/ready",
        summary="Whether a request for the default model would be served",
        response_model=None,
        responses=_errors(503),
    )
    async def ready() -> Response:
        default = service.models()[0]
        # A cold model is woken by its first request.
        if default.status not in {"ready", "cold"}:
            raise APIError("unavailable", f"the model {default.id} is {default.status}", retry_after_s=1)
        return _json(b'{"status":"ready"}')

    return app


def model_not_found(name: str, service: RankingService) -> APIError:
    """The answer to a model that is not served."""
    served = ", ".join(info.id for info in service.models())
    return APIError("model_not_found", f"the model {shown(name)} is not served here; served: {served}", "model")


def _model(info: ModelInfo) -> dict[str, Any]:
    rate = info.documents_per_s
    return {
        "id": info.id,
        "object": "model",
        "created": info.created,
        "owned_by": info.id.partition("/")[0],
        "aliases": info.aliases,
        "task": info.task,
        "summary": info.summary,
        "architecture": info.architecture,
        "context_length": info.context_length,
        "languages": info.languages,
        "license": info.license,
        "parameters": info.parameters,
        "pricing": {"unit": "1k_documents", "usd": f"{info.price_usd.normalize():f}"},
        "throughput_documents_per_s": None if rate is None else round(rate, 1),
        "status": info.status,
        "failure": info.failure,
        "replicas": info.replicas,
        "evaluation": info.evaluation,
    }


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {
        status: {"description": "An error", "content": {"application/json": {"schema": ERROR_SCHEMA}}}
        for status in statuses
    }


def _json(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(body, status, headers, media_type="application/json")


async def _answer_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, APIError)
    return _json(to_json(error.body()), error.status, error.all_headers())


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    """What the router itself refuses: an unknown path, a method that a path does not have."""
    assert isinstance(error, HTTPException)
    path = shown(request.url.path)
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        message = f"{request.method} is not allowed on {path}; allowed: {allowed}"
        return await _answer_error(request, APIError("method_not_allowed", message, headers={"Allow": allowed}))
    if error.status_code == 404:
        return await _answer_error(request, APIError("not_found", f"there is nothing at {path}; see /docs"))
    return await _answer_error(request, APIError("invalid_request", str(error.detail)))
