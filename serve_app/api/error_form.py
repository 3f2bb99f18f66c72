"""What an error looks like to the clients of one service."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel
from pydantic_core import to_json

from serve_app.domain.errors import ServiceError


class Errors(Protocol):
    """What errors look like to somebody."""

    def rendered(self, error: ServiceError, request_id: str) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers of an error."""
        ...


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
        return status, to_json(body), headers | retry_after(error)


def retry_after(error: ServiceError) -> dict[str, str]:
    """The header that tells when to ask again, in whole seconds, rounded up, one at least; none where nobody knows."""
    return {} if error.retry_after_s is None else {"Retry-After": str(max(1, math.ceil(error.retry_after_s)))}
