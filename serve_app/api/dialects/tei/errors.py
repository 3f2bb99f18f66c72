"""What Text Embeddings Inference's errors look like."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel

from serve_app.api.error_form import ErrorForm
from serve_app.api.errors import BLANK_QUERY, STATUS
from serve_app.domain.errors import Fault, ServiceError

ErrorType = Literal["Unhealthy", "Backend", "Overloaded", "Validation", "Tokenizer", "Empty"]
# Its statuses for what is wrong with a request (router/src/http/server.rs, since 1.9: before, Validation was 413), and
# axum's for a body that is no JSON.
FAULTS: Mapping[Fault, tuple[int, ErrorType]] = {
    "syntax": (400, "Validation"),
    "type": (422, "Validation"),
    "empty": (400, "Empty"),
    "size": (422, "Validation"),
    "value": (422, "Validation"),
}
ERROR_TYPES: Mapping[int, ErrorType] = {429: "Overloaded", 503: "Unhealthy", 500: "Backend", 408: "Backend"}
STATUSES = {500: 424}


class ErrorBody(BaseModel):
    """An error of this dialect."""

    error: str
    error_type: ErrorType


def error_body(error: ServiceError, request_id: str) -> tuple[int, dict[str, Any]]:  # noqa: ARG001 - as in other dialects
    """Status and body of an error."""
    status = STATUS[error.code]
    if error.code == "invalid_request":
        status, kind = FAULTS[error.fault]
    else:
        status, kind = STATUSES.get(status, status), ERROR_TYPES.get(status, "Validation")
    return status, {"error": error.message, "error_type": kind}


BLANK = ServiceError("invalid_request", BLANK_QUERY.message, fault="empty")
ERRORS = ErrorForm(ErrorBody, error_body, error_body(BLANK, "")[1])
