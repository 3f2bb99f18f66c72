"""What can go wrong, in words for whoever can mend it. No HTTP here: `api/errors.py` maps codes to statuses."""

from dataclasses import dataclass
from typing import Literal

Code = Literal[
    "invalid_request",
    "missing_api_key",
    "invalid_api_key",
    "insufficient_credit",
    "forbidden",
    "not_found",
    "model_not_found",
    "method_not_allowed",
    "deadline_exceeded",
    "idempotency_conflict",
    "payload_too_large",
    "unsupported_media_type",
    "overloaded",
    "rate_limited",
    "internal",
    "model_cold",
    "unavailable",
]
Fault = Literal["syntax", "type", "empty", "size", "value"]

SHOWN_CHARACTERS = 60


class UserError(Exception):
    """A mistake of whoever started the program. The message is one line and says where and what; no traceback."""


@dataclass
class ServiceError(Exception):
    """Why a request is not answered. Nothing was charged.

    param: the field at fault, as the client writes it (`documents[3]`). retry_after_s: seconds after which it makes
    sense to try again. fault: what is wrong with an invalid request, for dialects that have a status for each.
    """

    code: Code
    message: str
    param: str | None = None
    retry_after_s: float | None = None
    fault: Fault = "value"


def shown(value: object) -> str:
    """A value as an error message shows it: its beginning, on one line."""
    try:
        text = ascii(value) if not isinstance(value, str) else ascii(value[: SHOWN_CHARACTERS + 1])
    except (RecursionError, ValueError):  # nested too deeply; an integer that Python does not spell
        return "…"
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
