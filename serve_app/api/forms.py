"""Which error body a path has: that of the API whose clients ask there."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import to_json

from serve_app.api.dialects import cohere_v2, native, tei, vllm
from serve_app.domain.errors import ServiceError

ErrorForm = Callable[[ServiceError, str], tuple[int, dict[str, Any]]]

FORMS: Mapping[str, ErrorForm] = {
    "/v2/rerank": cohere_v2.error_body,
    "/rerank": tei.error_body,
    "/embed": tei.error_body,
    "/tokenize": tei.error_body,
    "/info": tei.error_body,
    "/score": vllm.error_body,
    "/v1/score": vllm.error_body,
}


def error_form(path: str) -> ErrorForm:
    """The form of errors at a path; ours where nobody else's is wanted."""
    return FORMS.get(path, native.error_body)


def render_error(error: ServiceError, request_id: str, form: ErrorForm) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers of an error."""
    status, body = form(error, request_id)
    return status, to_json(body), error.all_headers() | {"content-type": "application/json"}
