"""The HTTP surface: parse, call the service, render."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi_offline import FastAPIOffline
from pydantic_core import from_json, to_json
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response

from serve_app import __version__
from serve_app.api import openapi
from serve_app.api.body import read_json_body
from serve_app.api.context import REQUEST_ID, RequestContext
from serve_app.api.dialects import cohere_v2, native, openai, tei, vllm
from serve_app.api.forms import error_form, render_error
from serve_app.api.headers import read_terms
from serve_app.api.limits import Limits
from serve_app.api.manners import HeadAsGet, json_response, server_timing, unless_unchanged
from serve_app.domain.answer import Ranking
from serve_app.domain.errors import ServiceError, shown
from serve_app.domain.model import ModelInfo
from serve_app.domain.request import RerankRequest
from serve_app.domain.service import RankingService

WORTH_COMPRESSING = 4_096  # bytes
# level 1 takes a millisecond for 100 KiB of JSON and leaves a fifth; higher ones take more and leave little less
COMPRESSION = 1


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
    app.add_middleware(GZipMiddleware, minimum_size=WORTH_COMPRESSING, compresslevel=COMPRESSION)
    app.add_middleware(HeadAsGet)
    if limits.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=limits.cors_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=[REQUEST_ID, "Server-Timing", "Retry-After", "ETag"],
        )
    app.add_exception_handler(ServiceError, _answer_error)
    app.add_exception_handler(HTTPException, _answer_http_exception)
    _add_ranking(app, service, limits)
    _add_text_embeddings_inference(app, service, limits)
    _add_models(app, service)
    openapi.complete(app)
    return app


def _add_ranking(app: FastAPI, service: RankingService, limits: Limits) -> None:
    """What scores and embeds, but for `/rerank`."""

    async def ranked(
        request: Request, parse: Callable[[bytes, int], RerankRequest]
    ) -> tuple[RerankRequest, Ranking, dict[str, str]]:
        terms = read_terms(request, limits)
        parsed = parse(await read_json_body(request, limits.max_body_bytes), limits.max_documents)
        ranking = await service.rank(parsed, terms)
        return parsed, ranking, server_timing(ranking.stages)

    @app.post("/v1/rerank", **openapi.operation("rerank", native.RerankBody, native.RerankAnswer))
    async def rerank(request: Request) -> Response:
        parsed, ranking, headers = await ranked(request, native.parse)
        return json_response(native.render(ranking, parsed, request.state.request_id), headers=headers)

    @app.post("/v2/rerank", **openapi.operation("rerank_cohere_v2", cohere_v2.RerankBody, cohere_v2.RerankAnswer))
    async def rerank_cohere_v2(request: Request) -> Response:
        parsed, ranking, headers = await ranked(request, cohere_v2.parse)
        return json_response(cohere_v2.render(ranking, parsed, request.state.request_id), headers=headers)

    @app.post("/score", **openapi.operation("score", vllm.ScoreBody, vllm.ScoreAnswer))
    @app.post("/v1/score", **openapi.operation("score_v1", vllm.ScoreBody, vllm.ScoreAnswer))
    async def score(request: Request) -> Response:
        terms = read_terms(request, limits)
        parsed = vllm.parse_score(await read_json_body(request, limits.max_body_bytes), limits.max_documents)
        scores = await service.score(parsed, terms)
        return json_response(vllm.render_score(scores, request.state.request_id), headers=server_timing(scores.stages))

    @app.post("/v1/embeddings", **openapi.operation("embeddings", openai.EmbeddingsBody, openai.EmbeddingsAnswer))
    async def embeddings(request: Request) -> Response:
        terms = read_terms(request, limits)
        body = await read_json_body(request, limits.max_body_bytes)
        parsed, as_base64 = openai.parse(body, limits.max_documents)
        found = await service.embed(parsed, terms)
        return json_response(openai.render(found, as_base64=as_base64), headers=server_timing(found.stages))


def _add_text_embeddings_inference(app: FastAPI, service: RankingService, limits: Limits) -> None:
    """Text Embeddings Inference's routes; vLLM has one of the same path."""

    @app.post(
        "/rerank",
        **openapi.operation(
            "rerank_tei_or_vllm", (tei.RerankBody, vllm.RerankBody), (list[tei.Rank], native.RerankAnswer)
        ),
    )
    async def rerank_tei_or_vllm(request: Request) -> Response:
        began = time.perf_counter()
        body = await read_json_body(request, limits.max_body_bytes)
        is_vllm = _of_vllm(body)
        if is_vllm:
            request.state.error_form = vllm.error_body
        terms = read_terms(request, limits)
        parse = vllm.parse_rerank if is_vllm else tei.parse
        parsed = parse(body, limits.max_documents)
        ranking = await service.rank(parsed, terms)
        headers = server_timing(ranking.stages)
        if is_vllm:
            return json_response(vllm.render_rerank(ranking, parsed, request.state.request_id), headers=headers)
        return json_response(
            tei.render(ranking, parsed), headers=headers | tei.headers(ranking, time.perf_counter() - began)
        )

    @app.post("/embed", **openapi.operation("embed", tei.EmbedBody, list[list[float]]))
    async def embed(request: Request) -> Response:
        began = time.perf_counter()
        terms = read_terms(request, limits)
        parsed = tei.parse_embed(await read_json_body(request, limits.max_body_bytes), limits.max_documents)
        found = await service.embed(parsed, terms)
        headers = server_timing(found.stages) | tei.headers(found, time.perf_counter() - began)
        return json_response(tei.render_vectors(found), headers=headers)

    @app.post("/tokenize", **openapi.operation("tokenize", tei.TokenizeBody, list[list[tei.SimpleToken]]))
    async def tokenize(request: Request) -> Response:
        body = await read_json_body(request, limits.max_body_bytes)
        texts, special = tei.parse_tokenize(body, limits.max_documents)
        return json_response(tei.render_tokens(texts, await service.tokenize(None, texts, special=special)))

    @app.get("/info", **openapi.operation("info", None, tei.Info))
    async def info() -> Response:
        return json_response(tei.info(service.models()[0], limits))


def _of_vllm(body: bytes) -> bool:
    """Whether a body of `/rerank` is vLLM's, by what it calls its documents. Raises ServiceError where it has both."""
    texts, documents = b'"texts"' in body, b'"documents"' in body
    if texts and documents:
        try:
            fields = from_json(body)
        except ValueError:
            return False  # the parser will say what is wrong
        if isinstance(fields, dict):
            texts, documents = "texts" in fields, "documents" in fields
    if texts and documents:
        message = "give texts (as to Text Embeddings Inference) or documents (as to vLLM), not both"
        raise ServiceError("invalid_request", message, "texts", fault="type")
    return documents


def _add_models(app: FastAPI, service: RankingService) -> None:
    """What is served, and whether it can be asked."""

    @app.get("/v1/models", **openapi.operation("models", None, openapi.ModelList))
    async def models(request: Request) -> Response:
        listed = {"object": "list", "data": [_model(info) for info in service.models()]}
        return unless_unchanged(request, to_json(listed))

    @app.get("/v1/models/{model:path}", **openapi.operation("model", None, openapi.ModelBody))
    async def model(request: Request, model: str) -> Response:
        if info := service.find_model(model):
            return unless_unchanged(request, to_json(_model(info)))
        raise model_not_found(model, service.models())

    @app.get("/health", **openapi.operation("health", None, openapi.StatusBody))
    async def health() -> Response:
        return json_response(b'{"status":"ok"}')

    @app.get("/ready", **openapi.operation("ready", None, openapi.StatusBody))
    async def ready() -> Response:
        default = service.models()[0]
        # A cold model is woken by its first request.
        if default.status not in {"ready", "cold"}:
            raise ServiceError("unavailable", f"the model {default.id} is {default.status}", retry_after_s=1)
        return json_response(b'{"status":"ready"}')


def model_not_found(name: str, models: Sequence[ModelInfo]) -> ServiceError:
    """The answer to a model that is not served."""
    served = ", ".join(info.id for info in models)
    return ServiceError("model_not_found", f"the model {shown(name)} is not served here; served: {served}", "model")


def _model(info: ModelInfo) -> dict[str, Any]:
    rate, tokens_usd = info.documents_per_s, info.tokens_price_usd
    pricing = {"unit": "1k_documents", "usd": f"{info.price_usd.normalize():f}"}
    if tokens_usd is not None:
        pricing["usd_per_1m_tokens_embedded"] = f"{tokens_usd.normalize():f}"
    return {
        "id": info.id,
        "object": "model",
        "created": info.created,
        "owned_by": info.id.partition("/")[0],
        "aliases": info.aliases,
        "task": info.task,
        "embeds": info.embeds,
        "summary": info.summary,
        "architecture": info.architecture,
        "context_length": info.context_length,
        "languages": info.languages,
        "license": info.license,
        "parameters": info.parameters,
        "pricing": pricing,
        "throughput_documents_per_s": None if rate is None else round(rate, 1),
        "status": info.status,
        "failure": info.failure,
        "replicas": info.replicas,
        "evaluation": info.evaluation,
    }


async def _answer_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    form = getattr(request.state, "error_form", None) or error_form(request.url.path)
    status, body, headers = render_error(error, request.state.request_id, form)
    return Response(body, status, headers)


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    """What the router itself refuses: an unknown path, a method that a path does not have."""
    assert isinstance(error, HTTPException)
    path = shown(request.url.path)
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        if "GET" in allowed:
            allowed += ", HEAD"
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": f"{allowed}, OPTIONS"})
        message = f"{request.method} is not allowed on {path}; allowed: {allowed}"
        return await _answer_error(request, ServiceError("method_not_allowed", message, headers={"Allow": allowed}))
    if error.status_code == 404:
        return await _answer_error(request, ServiceError("not_found", f"there is nothing at {path}; see /docs"))
    return await _answer_error(request, ServiceError("invalid_request", str(error.detail)))
