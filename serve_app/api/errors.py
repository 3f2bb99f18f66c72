"""One error type for everything a client can be told, and its body in the native (OpenAI's) form."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

STATUS = {
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
TYPES = {
    401: "authentication_error",
    402: "insufficient_credit_error",
    403: "permission_error",
    408: "timeout_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
}
SHOWN_CHARACTERS = 60

Fault = Literal["syntax", "type", "empty", "size", "value"]


@dataclass
class APIError(Exception):
    """An answer other than the one that was asked for.

    code: a key of STATUS. param: the field at fault, as a client writes it (`documents[3]`). retry_after_s: when it
    makes sense to try again. fault: what is wrong with an invalid request, for dialects that have a status for each.
    """

    code: str
    message: str
    param: str | None = None
    retry_after_s: float | None = None
    headers: Mapping[str, str] | None = None
    fault: Fault = "value"

    @property
    def status(self) -> int:
        """HTTP status."""
        return STATUS[self.code]

    def body(self) -> dict[str, object]:
        """The native error body."""
        return {
            "error": {
                "message": self.message,
                "type": TYPES.get(self.status, "invalid_request_error"),
                "code": self.code,
                "param": self.param,
                "retry_after_s": self.retry_after_s,
            },
            "detail": self.message,  # where Jina's clients look
        }

    def all_headers(self) -> dict[str, str]:
        """Headers that go with it; Retry-After in whole seconds, rounded up."""
        headers = dict(self.headers or {})
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(max(1, -int(-self.retry_after_s // 1)))
        return headers


def shown(value: object) -> str:
    """A client's value as an error message shows it: its beginning, on one line."""
    text = ascii(value) if not isinstance(value, str) else ascii(value[: SHOWN_CHARACTERS + 1])
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
