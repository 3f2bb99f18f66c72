"""The OpenAPI document: what FastAPI is told of each path, from the endpoints' own words."""

import re
from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any

from fastapi import Security
from fastapi.security import HTTPBearer
from pydantic import BaseModel, TypeAdapter
from starlette.responses import JSONResponse, Response

from serve_app.api.endpoint import JSON, Action, Endpoint, Get, Post
from serve_app.api.exchange import REQUEST_ID
from serve_app.api.headers import LIMIT_HEADERS, TIER_HEADER, TIMEOUT_HEADER
from serve_app.api.idempotency import IDEMPOTENCY_KEY, KEY_FORM, REPLAYED
from serve_app.api.notices import WARNING
from serve_app.api.timing import SERVER_TIMING
from serve_app.domain.caller import TIERS

# The groups of /docs, in its order.
RANKING, OTHER_FORMS, EMBEDDING = "Ranking", "Ranking in other services' forms", "Embeddings and tokens"
MODELS, ACCOUNTS, RUNNING = "Models", "Accounts", "Running it"
TAGS = [{"name": name} for name in (RANKING, OTHER_FORMS, EMBEDDING, MODELS, ACCOUNTS, RUNNING)]
DESCRIPTIONS = {
    400: "The request cannot be read, or not as it is; the message names field, value and limit.",
    401: "Without a key, or with a wrong one, where accounts are on.",
    402: "The balance does not cover the highest price that the request can have; the message tells both.",
    403: "The key is not good for this, or not for this model.",
    404: "The model is not served here.",
    408: "The request's time ran out; nothing is charged.",
    409: "The Idempotency-Key is another request's, or that request is still in work.",
    413: "Too large.",
    415: "Not JSON, or packed in a way that is not known.",
    422: "A field has another type.",
    424: "The model failed.",
    429: "It would have to wait for too long, or a limit of the account was reached.",
    500: "Something broke; the request id finds it in the logs.",
    503: "The model is starting (its first request wakes it), or has failed.",
}
REQUEST_ID_HEADER = {"description": "The client's own, or a new one.", "schema": {"type": "string"}}
TIMING_HEADER = {"description": "Milliseconds of each stage (W3C Server Timing).", "schema": {"type": "string"}}
WARNING_HEADER = {"description": "What of the body was ignored or mended.", "schema": {"type": "string"}}
TAG_HEADER = {"description": "Of the body, for If-None-Match.", "schema": {"type": "string"}}
REPLAYED_HEADER = {
    "description": "true: the answer that was given to this Idempotency-Key before; nothing is charged.",
    "schema": {"type": "string"},
}
LIMIT_HEADER = {"description": "Of the account, where it has such a limit.", "schema": {"type": "string"}}
BEARER_HEADER = {"description": "Bearer.", "schema": {"type": "string"}}
# What an action's statuses mean where that is not what they mean elsewhere.
OF_ACCOUNTS = {
    403: "The key is not good for this.",
    404: "There is no such thing, or accounts are off here.",
    408: "The body came too slowly.",
    409: "There is one already.",
    429: "A limit of the account was reached.",
    503: "What keeps the accounts is away.",
}
KEY = HTTPBearer(
    scheme_name="key",
    description="An account's key. Where accounts are off, any or none is taken. `X-Api-Key` may bear it, too.",
    auto_error=False,
)
RETRY_HEADER = {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}
TERMS: Sequence[dict[str, Any]] = (
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
    {
        "name": IDEMPOTENCY_KEY,
        "in": "header",
        "description": "Of one request, however often it is sent: within 24 h it is charged and answered once.",
        "schema": {"type": "string", "pattern": f"^{KEY_FORM.pattern}$"},
    },
)


def _response_class(media_type: str) -> type[Response]:
    """A class of answers, for FastAPI to name their type."""
    return JSONResponse if media_type == JSON else type("Answer", (Response,), {"media_type": media_type})


def operation(path: str, sharing: Sequence[Endpoint]) -> dict[str, Any]:
    """What FastAPI takes for a path. The words are those of the first endpoint, with the others' descriptions after."""
    first = sharing[0]
    return {
        "operation_id": _operation_id(first, path),
        "tags": [_tag(first, path)],
        "summary": first.words.summary,
        "description": " ".join(endpoint.words.description for endpoint in sharing if endpoint.words.description),
        "response_model": reduce(or_, (endpoint.answer for endpoint in sharing)),
        "status_code": _status(first),
        "responses": _good_responses(first) | _error_responses(sharing),
        "response_class": _response_class(_media_type(first)),
        # Never called: the door looks at keys itself.
        "dependencies": [Security(KEY)] if first.scope else [],
        "openapi_extra": _extra(path, sharing),
    }


def _tag(endpoint: Endpoint, path: str) -> str:
    """The group of /docs that a path is in."""
    if isinstance(endpoint, Action):
        return ACCOUNTS
    if isinstance(endpoint, Get):
        return MODELS if endpoint.scope == "public" else RUNNING
    if endpoint.scope == "embeddings":
        return EMBEDDING
    return RANKING if endpoint.name == "rerank" and path == endpoint.paths[0] else OTHER_FORMS


def _status(endpoint: Endpoint) -> int:
    return endpoint.status if isinstance(endpoint, Action) else 200


def _media_type(endpoint: Endpoint) -> str:
    return endpoint.media_type if isinstance(endpoint, Action | Get) else JSON


def _statuses(endpoint: Endpoint) -> set[int]:
    """Those of its errors, and those of who asks."""
    found = set(endpoint.words.statuses)
    if endpoint.scope:
        found |= {401, 429, 503}
    if endpoint.scope and endpoint.scope != "public":
        found |= {403}
    if isinstance(endpoint, Post):
        found |= {402, 409}
    if isinstance(endpoint, Action):
        found |= {400, 404}
    return found


def _operation_id(endpoint: Endpoint, path: str) -> str:
    """The endpoint's name; of its further paths with what they have beside it."""
    if path == endpoint.paths[0]:
        return endpoint.name
    return "_".join([endpoint.name, *(part for part in path.split("/") if part and part != endpoint.name)])


def _good_responses(endpoint: Endpoint) -> dict[int | str, dict[str, Any]]:
    headers = {REQUEST_ID: REQUEST_ID_HEADER}
    cached = isinstance(endpoint, Get) and endpoint.cached
    if isinstance(endpoint, Post):
        headers |= {SERVER_TIMING: TIMING_HEADER, WARNING: WARNING_HEADER, REPLAYED: REPLAYED_HEADER}
    if endpoint.scope:
        headers |= dict.fromkeys(LIMIT_HEADERS, LIMIT_HEADER)
    if cached:
        headers["ETag"] = TAG_HEADER
    found: dict[int | str, dict[str, Any]] = {
        _status(endpoint): {"headers": headers, "content": {_media_type(endpoint): {"example": endpoint.words.example}}}
    }
    if cached:
        found[304] = {"description": "Not changed since the tag in If-None-Match.", "headers": headers}
    return found


def _error_responses(sharing: Sequence[Endpoint]) -> dict[int | str, dict[str, Any]]:
    form = reduce(or_, (endpoint.errors.body for endpoint in sharing))
    said, content = {"model": form}, {"example": sharing[0].errors.example}
    if _media_type(sharing[0]) != JSON:  # FastAPI takes errors to have the answer's media type
        said, content = {}, content | {"schema": _schema([sharing[0].errors.body])}
    descriptions = DESCRIPTIONS | (OF_ACCOUNTS if isinstance(sharing[0], Action) else {})
    return {
        status: {
            "description": descriptions[status],
            **said,
            "headers": {REQUEST_ID: REQUEST_ID_HEADER}
            | ({"Retry-After": RETRY_HEADER} if status in {429, 503} else {})
            | ({"WWW-Authenticate": BEARER_HEADER} if status == 401 else {}),
            "content": {JSON: content},
        }
        for status in sorted(set().union(*(_statuses(endpoint) for endpoint in sharing)))
    }


def _extra(path: str, sharing: Sequence[Endpoint]) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    posts = [endpoint for endpoint in sharing if isinstance(endpoint, Post)]
    if posts:
        schema = _schema([endpoint.body for endpoint in posts])
        extra["requestBody"] = {"required": True, "content": {JSON: {"schema": schema}}}
        extra["parameters"] = list(TERMS)
    if names := re.findall(r"{(\w+)", path):
        extra["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "title": name.title()}}
            for name in names
        ]
    if isinstance(sharing[0], Action):
        extra |= _extra_of_action(sharing[0], extra.get("parameters", []))
    if sharing[0].scope == "public":
        extra["security"] = [{}]  # beside that with a key
    return extra


def _extra_of_action(action: Action[Any, Any], parameters: list[dict[str, Any]]) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    if action.body is not None:
        schema = {"type": "object"} if action.body is bytes else _schema([action.body])
        extra["requestBody"] = {"required": True, "content": {JSON: {"schema": schema}}}
    for name, schema in _inlined(action.query.model_json_schema()).get("properties", {}).items():
        said = {"description": schema.pop("description")} if "description" in schema else {}
        parameters = [*parameters, {"name": name, "in": "query", "required": False, **said, "schema": schema}]
    for name, words in action.headers.items():
        parameters = [
            *parameters,
            {"name": name, "in": "header", "required": True, "description": words, "schema": {"type": "string"}},
        ]
    return extra | ({"parameters": parameters} if parameters else {})


def _schema(models: Sequence[type[BaseModel]]) -> dict[str, Any]:
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
