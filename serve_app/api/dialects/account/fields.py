"""Fields of what is asked of accounts and answered: amounts, moments, and texts that are kept."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from serve_app.api.precise import Spelled
from serve_app.domain.price import MAX_USD, parse_usd

AMOUNT = 'an amount of dollars such as 25 or "0.50"'
MOMENT = "an ISO 8601 date or date-time, or seconds since 1970"
UNIX_TIME = re.compile(r"[0-9]+(\.[0-9]*)?")
LOST_PLUS = re.compile(r"(T.*) (\d\d:?\d\d)$")  # of a time zone: an unquoted + in a URL is a space
# What is no such time is a year, a date without hyphens, or milliseconds.
FIRST_UNIX_TIME, LAST_UNIX_TIME = 10**9, 10**11
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)


def nano_dollars(value: object) -> int:
    """An amount of US dollars, as text or as a number, in nano-dollars."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise PydanticCustomError("amount", f"Input should be {AMOUNT}")
    if isinstance(value, int):
        value = min(value, MAX_USD + 1)  # Python does not spell any number
    try:
        return parse_usd(value.text if isinstance(value, Spelled) else str(value))
    except ValueError as error:
        said = str(error).partition("; got ")[0].replace("must ", "Input should ", 1)
        raise PydanticCustomError("amount", said) from None


def moment(value: object) -> float:
    """Seconds since 1970. A date is its midnight, and what names no time zone is UTC."""
    if isinstance(value, str) and UNIX_TIME.fullmatch(text := value.strip()):
        value = float(text)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if FIRST_UNIX_TIME <= value < LAST_UNIX_TIME:
            return float(value)
        raise _no_moment(f"; seconds lie from {FIRST_UNIX_TIME} up to {LAST_UNIX_TIME}")
    if not isinstance(value, str):
        raise _no_moment()
    try:
        found = datetime.fromisoformat(LOST_PLUS.sub(r"\1+\2", value.strip()))
    except ValueError:
        raise _no_moment() from None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    if not FIRST <= found < LAST:
        raise _no_moment(", from 1970 up to 3000")
    return (found - FIRST).total_seconds()


def _no_moment(more: str = "") -> PydanticCustomError:
    return PydanticCustomError("moment", f"Input should be {MOMENT}{more}")


def line(value: str) -> str:
    """A text that is kept and shown in a row: no control characters, which PostgreSQL does not take, either."""
    if not value.isprintable() or not value.strip():
        raise PydanticCustomError("line", "Input should be one line of visible characters")
    return value.strip()


Usd = Annotated[
    int,
    BeforeValidator(nano_dollars),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^[0-9]{1,6}(\.[0-9]{1,9})?$"},
                {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_USD},
            ]
        }
    ),
]
Moment = Annotated[
    float,
    BeforeValidator(moment),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "format": "date"},
                {"type": "string", "format": "date-time"},
                {"type": "number", "minimum": FIRST_UNIX_TIME, "exclusiveMaximum": LAST_UNIX_TIME},
            ]
        }
    ),
]
Line = Annotated[str, Field(max_length=255), AfterValidator(line)]


def as_json(body: BaseModel) -> bytes:
    """An answer's body."""
    return body.model_dump_json().encode()


def as_iso(seconds: float) -> str:
    """A moment as ISO 8601 in UTC, in whole seconds."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def as_unix(seconds: float | None) -> int | None:
    """A moment in whole seconds since 1970."""
    return None if seconds is None else int(seconds)
