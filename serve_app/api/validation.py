"""Bodies against their models, with errors that name the field, the value and the limit. Shared by all dialects."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from serve_app.api.places import places
from serve_app.domain.errors import ServiceError, shown
from serve_app.domain.request import (
    EmbedRequest,
    FieldNames,
    ModelRequest,
    RerankRequest,
    ScoreRequest,
    TokenizeRequest,
)

AT = re.compile(r" at line (\d+) column (\d+)$")  # how pydantic's parser ends a message
MOST_NAMED = 10  # of unknown fields
MOST_LINES = 100_000  # behind which a place is not looked for
# How pydantic calls what JSON calls otherwise.
WORDS = {"a valid list": "an array", "a valid array": "an array", "a valid dictionary": "an object", "None": "null"}
# What is checked below for the sake of its messages, as JSON Schema says it.
NOT_BLANK = {"pattern": r"\S"}
NOT_EMPTY = {"minItems": 1}


class RequestBody(BaseModel):
    """A body that a client sends; fields that are not known are kept apart.

    item_forms: what an item of a field with several forms must be, for messages: pydantic would name one form alone.
    inner: fields of the objects in it, which messages name, too.
    """

    model_config = ConfigDict(strict=True, extra="allow")

    item_forms: ClassVar[Mapping[str, str]] = {}
    inner: ClassVar[frozenset[str]] = frozenset()


Body = TypeVar("Body", bound=RequestBody)


def validated(model: type[Body], body: bytes) -> Body:
    """The body as a model.

    Raises ServiceError invalid_request naming the field at fault.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise explained(model, error, body) from None


def agreed(body: RequestBody, *names: str) -> Any:
    """What fields that mean the same say; None where none is given.

    Raises ServiceError where they say different things.
    """
    given = [name for name in names if getattr(body, name) is not None]
    for name in given[1:]:
        require_same(given[0], getattr(body, given[0]), name, getattr(body, name))
    return getattr(body, given[0]) if given else None


def require_same(first: str, value: object, second: str, other: object) -> None:
    """Raise ServiceError where two fields that mean the same differ."""
    if value != other:
        message = f"{first} and {second} mean the same and differ: {shown(value)} and {shown(other)}; give one"
        raise ServiceError("invalid_request", message, second)


def unknown_fields(body: RequestBody, known: Sequence[str] = ()) -> list[str]:
    """What to tell a client of the fields that its body has and nobody reads; null is as if left out.

    known: that are looked at elsewhere.
    """
    extra = [name for name, value in (body.model_extra or {}).items() if value is not None and name not in known]
    told = [f"the field {shown(name)} is not known and was ignored" for name in extra[:MOST_NAMED]]
    return told if len(extra) <= MOST_NAMED else [*told, f"and {len(extra) - MOST_NAMED:,} more fields were ignored"]


def require_query(query: str, name: str) -> None:
    """Raise ServiceError where a query says nothing."""
    if not query.strip():
        raise ServiceError("invalid_request", f"{name} must not be empty or blank", name, fault="empty")


def require_count(texts: Sequence[object], names: FieldNames, most: int) -> None:
    """Raise ServiceError where there are no texts, or too many."""
    if not texts:
        raise ServiceError("invalid_request", f"{names.documents} must not be empty", names.documents, fault="empty")
    if len(texts) > most:
        raise ServiceError(
            "invalid_request",
            f"{names.documents} has {len(texts):,} entries; at most {most:,} are allowed in one request",
            names.documents,
            fault="size",
        )


def require_sizes(request: ModelRequest[Any], most: int) -> None:
    """Raise ServiceError where a text has more characters than that."""
    queries, texts, names = _texts(request)
    for index, query in enumerate(queries):
        if len(query) > most:
            several = len(set(queries)) > 1
            raise _too_many_characters(f"{names.query}[{index}]" if several else names.query, query, most)
    for index, text in enumerate(texts):
        if isinstance(text, str) and len(text) > most:
            raise _too_many_characters(names.document(index), text, most)


def _texts(request: ModelRequest[Any]) -> tuple[Sequence[str], Sequence[str | Sequence[int]], FieldNames]:
    """The queries and the other texts of a request, and what they are called."""
    match request:
        case RerankRequest():
            return [request.query], [document.text for document in request.documents], request.names
        case ScoreRequest():
            return request.queries, request.texts, request.names
        case EmbedRequest():
            return [], request.inputs, request.names
        case TokenizeRequest():
            return [], request.texts, request.names
    raise TypeError(f"{type(request).__name__} is no request with texts")


def _too_many_characters(name: str, text: str, most: int) -> ServiceError:
    message = f"{name} has {len(text):,} characters; at most {most:,} are allowed in one text"
    return ServiceError("invalid_request", message, name, fault="size")


def explained(model: type[RequestBody], error: ValidationError, body: bytes = b"") -> ServiceError:
    """What to tell a client of a body that is not as its model; of one that is JSON, it may be left out."""
    errors = error.errors(include_url=False, include_context=False)
    if errors[0]["type"] == "json_invalid":
        message = errors[0]["msg"]
        if "number out of range" in message and (named := _explain_long_number(model, body)):
            return named
        return _explain_syntax(message.removeprefix("Invalid JSON: "), body)
    first = _nearest(errors)
    location = first["loc"]
    if not location:
        message = f"the body must be a JSON object; got {shown(first['input'])}"
        return ServiceError("invalid_request", message, fault="type")
    name = str(location[0])
    param = name + "".join(_within(model, part) for part in location[1:])
    if first["type"] == "missing":
        return ServiceError("invalid_request", f"{param} is missing", param, fault="type")
    if param != name and first["type"].endswith("_type") and (wanted := model.item_forms.get(name)):
        message = f"{param} must be {wanted}; got {shown(first['input'])}"
    else:
        message = f"{param}{_told(first['msg'])}; got {shown(first['input'])}"
    return ServiceError("invalid_request", message, param, fault="type")


def _told(message: str) -> str:
    """What pydantic says of a field, to go on behind the field's name."""
    if message.startswith("Input should have "):
        return f" must have {message.removeprefix('Input should have ')}"
    if message.startswith("Input should be "):
        wanted = message.removeprefix("Input should be ")
        return f" must be {next((ours for theirs, ours in WORDS.items() if wanted.startswith(theirs)), wanted)}"
    return f": {message[0].lower()}{message[1:]}"


def _explain_syntax(message: str, body: bytes) -> ServiceError:
    """Where a body ceases to be JSON: line, column (both from 1, in bytes), and the field or document."""
    if (at := AT.search(message)) and (line := int(at[1])) <= MOST_LINES:
        start = 0
        for _ in range(line - 1):
            start = body.find(b"\n", start) + 1
        offset = start + int(at[2]) - 1
        message = _no_utf8(body, offset) or message
        if place := places(body, [offset])[0]:
            message += f", in {place}"
    return ServiceError("invalid_request", f"the body is not valid JSON: {message}", fault="syntax")


def _no_utf8(body: bytes, most: int) -> str:
    """The first byte that is no UTF-8, where there is one up to an offset."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        if error.start <= most:
            before = body[: error.start]
            line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
            return f"byte 0x{body[error.start]:02x} is no UTF-8 at line {line} column {column}"
    return ""


def _within(model: type[RequestBody], part: int | str) -> str:
    """A step into a field, as a client writes it; nothing where it is pydantic's name of one of several forms."""
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if part in model.inner else ""


def _nearest(errors: list[ErrorDetails]) -> ErrorDetails:
    """The first field's error; where it may have several forms, that of the form that was read the furthest.

    Of forms that were read as far, one that only a limit was against.
    """
    field = errors[0]["loc"][:1]

    def reach(error: ErrorDetails) -> tuple[int, list[int], bool]:
        steps = [part for part in error["loc"] if isinstance(part, int)]
        return len(steps), steps, not error["type"].endswith("_type")

    return max((error for error in errors if error["loc"][:1] == field), key=reach)


def _explain_long_number(model: type[RequestBody], body: bytes) -> ServiceError | None:
    """Name the field of an integer that is too long to be read; None where that cannot be told."""
    try:
        model.model_validate(json.loads(body, parse_int=_short_or_text))
    except ValidationError as error:
        return explained(model, error, body)
    except (ValueError, RecursionError):
        return None
    return None


def _short_or_text(digits: str) -> int | str:
    return int(digits) if len(digits) <= sys.get_int_max_str_digits() else digits
