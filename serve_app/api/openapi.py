"""The OpenAPI document: what FastAPI is told of each path, from the endpoints' own words."""

import re
from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any

from pydantic import BaseModel, TypeAdapter

from serve_app.api.endpoint import Endpoint, Get, Post
from serve_app.api.exchange import REQUEST_ID
from serve_app.api.headers import TIER_HEADER, TIMEOUT_HEADER
from serve_app.api.notices import WARNING
from serve_app.api.timing import SERVER_TIMING
from serve_app.domain.caller import TIERS

DESCRIPTIONS = {
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
REQUEST_ID_HEADER = {"description": "The client's own, or a new one.", "schema": {"type": "string"}}
TIMING_HEADER = {"description": "Milliseconds of each stage (W3C Server Timing).", "schema": {"type": "string"}}
WARNING_HEADER = {"description": "What of the body was ignored or mended.", "schema": {"type": "string"}}
TAG_HEADER = {"description": "Of the body, for If-None-Match.", "schema": {"type": "string"}}
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
)


def operation(path: str, sharing: Sequence[Endpoint]) -> dict[str, Any]:
    """What FastAPI takes for a path. The words are those of the first endpoint, with the others' descriptions after."""
    first = sharing[0]
    return {
        "operation_id": _operation_id(first, path),
        "summary": first.words.summary,
        "description": " ".join(endpoint.words.description for endpoint in sharing if endpoint.words.description),
        "response_model": reduce(or_, (endpoint.answer for endpoint in sharing)),
        "responses": _good_responses(first) | _error_responses(sharing),
        "openapi_extra": _extra(path, sharing),
    }


def _operation_id(endpoint: Endpoint, path: str) -> str:
    """The endpoint's name; of its further paths with what they have beside it."""
    if path == endpoint.paths[0]:
        return endpoint.name
    return "_".join([endpoint.name, *(part for part in path.split("/") if part and part != endpoint.name)])


def _good_responses(endpoint: Endpoint) -> dict[int | str, dict[str, Any]]:
    headers = {REQUEST_ID: REQUEST_ID_HEADER}
    cached = isinstance(endpoint, Get) and endpoint.cached
    if isinstance(endpoint, Post):
        headers |= {SERVER_TIMING: TIMING_HEADER, WARNING: WARNING_HEADER}
    if cached:
        headers["ETag"] = TAG_HEADER
    found: dict[int | str, dict[str, Any]] = {
        200: {"headers": headers, "content": {"application/json": {"example": endpoint.words.example}}}
    }
    if cached:
        found[304] = {"description": "Not changed since the tag in If-None-Match.", "headers": headers}
    return found


def _error_responses(sharing: Sequence[Endpoint]) -> dict[int | str, dict[str, Any]]:
    forms = {endpoint.errors.body: endpoint.errors for endpoint in sharing}
    schema, example = _schema(list(forms)), sharing[0].errors.example
    return {
        status: {
            "description": DESCRIPTIONS[status],
            "headers": {REQUEST_ID: REQUEST_ID_HEADER}
            | ({"Retry-After": RETRY_HEADER} if status in {429, 503} else {}),
            "content": {"application/json": {"schema": schema, "example": example}},
        }
        for status in sorted({status for endpoint in sharing for status in endpoint.words.statuses})
    }


def _extra(path: str, sharing: Sequence[Endpoint]) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    posts = [endpoint for endpoint in sharing if isinstance(endpoint, Post)]
    if posts:
        schema = _schema([endpoint.body for endpoint in posts])
        extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
        extra["parameters"] = list(TERMS)
    if names := re.findall(r"{(\w+)", path):
        extra["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "title": name.title()}}
            for name in names
        ]
    return extra


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
