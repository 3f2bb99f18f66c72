"""Bodies against their models, with errors that name the field, the value and the limit. Shared by all dialects."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from serve_app.domain.errors import ServiceError, shown
from serve_app.domain.request import FieldNames


def whole(value: object) -> object:
    """1 for 1.0, which JSON Schema calls an integer, too."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


# The bound comes first: behind a function, it would not be in the JSON Schema.
Whole = Annotated[int, BeforeValidator(whole)]
NotNegative = Annotated[int, Field(ge=0), BeforeValidator(whole)]
Count = Annotated[int, Field(ge=1), BeforeValidator(whole)]
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
    """The body as a model. Raises ServiceError invalid_request naming the field at fault."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise _explain(model, error, body) from None


def unknown_fields(body: RequestBody) -> list[str]:
    """What to tell a client of the fields that its body has and nobody reads."""
    return [f"the field {shown(name)} is not known and was ignored" for name in body.model_extra or ()]


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


def _explain(model: type[RequestBody], error: ValidationError, body: bytes) -> ServiceError:
    first = _first(error.errors(include_url=False, include_context=False))
    location = first["loc"]
    if first["type"] == "json_invalid":
        if "number out of range" in first["msg"] and (named := _explain_long_number(model, body)):
            return named
        message = f"the body is not valid JSON: {first['msg'].removeprefix('Invalid JSON: ')}"
        return ServiceError("invalid_request", message, fault="syntax")
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
        message = f"{param}: {first['msg'][0].lower()}{first['msg'][1:]}; got {shown(first['input'])}"
    return ServiceError("invalid_request", message, param, fault="type")


def _within(model: type[RequestBody], part: int | str) -> str:
    """A step into a field, as a client writes it; nothing where it is pydantic's name of one of several forms."""
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if part in model.inner else ""


def _first(errors: list[ErrorDetails]) -> ErrorDetails:
    """The first error; of a field that may have several forms, that of the form that was nearest to it."""
    field = errors[0]["loc"][:1]
    return max(
        (error for error in errors if error["loc"][:1] == field),
        key=lambda error: sum(isinstance(part, int) for part in error["loc"]),
    )


def _explain_long_number(model: type[RequestBody], body: bytes) -> ServiceError | None:
    """Name the field of an integer that is too long to be read; None where that cannot be told."""
    try:
        model.model_validate(json.loads(body, parse_int=_short_or_text))
    except ValidationError as error:
        return _explain(model, error, body)
    except (ValueError, RecursionError):
        return None
    return None


def _short_or_text(digits: str) -> int | str:
    return int(digits) if len(digits) <= sys.get_int_max_str_digits() else digits
