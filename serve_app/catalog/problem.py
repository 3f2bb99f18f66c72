"""What pydantic finds wrong, in the words of a one-line message."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

SHOWN_CHARACTERS = 100


def first_problem(error: ValidationError) -> str:
    """The first field at fault, what is wrong with it, and its value: `http.timeout_s: Input should be …; got 0`."""
    first = error.errors(include_url=False)[0]
    field = ".".join(map(str, first["loc"]))
    said = problem(first)
    return f"{field}: {said}" if field else said


def problem(details: Mapping[str, Any]) -> str:
    """What is wrong with a field, and its value. details: one of a ValidationError's errors."""
    said: str = details["msg"].removeprefix("Value error, ")
    # What we refuse ourselves, and what is missing, needs no value; a whole group of fields would be noise.
    if details["type"] not in ("value_error", "missing") and not isinstance(details["input"], Mapping):
        said = f"{said}; got {_shown(details['input'])}"
    return said


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
