"""The HTTP status and type of each error code, and bodies in the native (OpenAI's) form."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from serve_app.api.error_form import ErrorForm
from serve_app.domain.errors import Code, ServiceError

STATUS: dict[Code, int] = {
    "invalid_request": 400,
    "missing_api_key": 401,
    "invalid_api_key": 401,
    "insufficient_credit": 402,
    "forbidden": 403,
    "not_found": 404,
    "model_not_found": 404,
    "method_not_allowed": 405,
    "deadline_exceeded": 408,
    "idempotency_conflict": 409,
    "payload_too_large": 413,
    "unsupported_media_type": 415,
    "overloaded": 429,
    "rate_limited": 429,
    "internal": 500,
    "model_cold": 503,
    "unavailable": 503,
}
TYPES: Mapping[int, str] = {
    401: "authentication_error",
    402: "insufficient_credit_error",
    403: "permission_error",
    408: "timeout_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
}


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


def native_error(error: ServiceError, request_id: str) -> tuple[int, dict[str, Any]]:  # noqa: ARG001 - as in other forms
    """Status and body of an error; vLLM's and Voyage's clients read it, too."""
    status = STATUS[error.code]
    detail = {
        "message": error.message,
        "type": TYPES.get(status, "invalid_request_error"),
        "code": error.code,
        "param": error.param,
        "retry_after_s": error.retry_after_s,
    }
    return status, {"error": detail, "detail": error.message}


def broken(request_id: str) -> ServiceError:
    """What is told of a fault of ours: nothing but where to find it."""
    return ServiceError("internal", f"something broke here; the request id is {request_id}")


BLANK_QUERY = ServiceError("invalid_request", "query must not be empty or blank", "query")
NATIVE = ErrorForm(ErrorBody, native_error, native_error(BLANK_QUERY, "")[1])
