"""What can go wrong, in words for whoever can mend it. No HTTP here: `api/errors.py` maps codes to statuses."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
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
    """A value as an error message shows it: its beginning, on one line; null, true and false as JSON's."""
    text = "".join(islice(_pieces(value), SHOWN_CHARACTERS + 1))  # no more of it is looked at
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def _pieces(value: object) -> Iterator[str]:
    """What shows a value, in pieces of a character or more."""
    if value is None or isinstance(value, bool):
        yield {None: "null", True: "true", False: "false"}[value]
    elif isinstance(value, str):
        yield ascii(value[: SHOWN_CHARACTERS + 1])
    elif isinstance(value, Mapping):
        yield "{"
        for index, (key, each) in enumerate(value.items()):
            yield from ([", "] if index else [])
            yield from _pieces(key)
            yield ": "
            yield from _pieces(each)
        yield "}"
    elif isinstance(value, list | tuple):
        yield "["
        for index, each in enumerate(value):
            yield from ([", "] if index else [])
            yield from _pieces(each)
        yield "]"
    else:
        try:
            yield ascii(value)
        except ValueError:  # an integer that Python does not spell
            yield "a number of very many digits"
