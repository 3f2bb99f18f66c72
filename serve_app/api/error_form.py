"""What an error looks like to the clients of one service."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json

from serve_app.domain.errors import ServiceError


@dataclass(frozen=True)
class ErrorForm:
    """The form of errors in one wire format.

    body: the model of its bodies. shape: status and body of an error, given the request's id. example: a body.
    """

    body: type[BaseModel]
    shape: Callable[[ServiceError, str], tuple[int, dict[str, Any]]]
    example: dict[str, Any]

    def rendered(self, error: ServiceError, request_id: str) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers; Retry-After is in whole seconds, rounded up."""
        status, body = self.shape(error, request_id)
        headers = {"Content-Type": "application/json"}
        if error.code in {"missing_api_key", "invalid_api_key"}:
            headers["WWW-Authenticate"] = "Bearer"
        if error.retry_after_s is not None:
            headers["Retry-After"] = str(max(1, -int(-error.retry_after_s // 1)))
        return status, to_json(body), headers
