"""Bodies and queries about money: no number loses a digit, and no unknown field is passed over.

A key whose `cap_usd` was misspelt would have no cap.
"""

import json
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from serve_app.api.places import plain
from serve_app.api.validation import RequestBody, explained, validated
from serve_app.domain.errors import ServiceError, shown

Body = TypeVar("Body", bound=RequestBody)


class Spelled(float):
    """A number of a body, with its text: 0.1 is no float."""

    text: str

    def __new__(cls, text: str) -> "Spelled":
        """Read a number of JSON."""
        made = super().__new__(cls, text)
        made.text = text
        return made

    def __repr__(self) -> str:
        return self.text


def precise_body(model: type[Body], body: bytes) -> Body:
    """The body as a model, whose validators see numbers as Spelled.

    Raises ServiceError invalid_request naming the field at fault.
    """
    validated(model, body)  # which says best what is wrong with it
    checked = _checked(model, json.loads(body.decode(), parse_float=Spelled))
    _require_known(checked, "field")
    return checked


def precise_query(model: type[Body], given: Sequence[tuple[str, str]]) -> Body:
    """The parameters of a URL as a model; blank ones are as if left out.

    Raises ServiceError invalid_request naming the parameter at fault.
    """
    said = [(name, value) for name, value in given if value.strip()]
    found = dict(said)
    if len(found) < len(said):
        names = [name for name, _ in said]
        twice = next(name for name in names if names.count(name) > 1)
        raise ServiceError("invalid_request", f"{plain(twice)} is given twice", plain(twice))
    checked = _checked(model, found)
    _require_known(checked, "query parameter")
    return checked


def _checked(model: type[Body], found: Any) -> Body:
    try:
        return model.model_validate(found)
    except ValidationError as error:
        raise explained(model, error) from None


def _require_known(body: RequestBody, kind: str) -> None:
    for name, value in (body.model_extra or {}).items():
        if value is not None:
            names = ", ".join(field.alias or own for own, field in type(body).model_fields.items()) or "none"
            message = f"the {kind} {shown(name)} is not known here; known: {names}"
            raise ServiceError("invalid_request", message, plain(name))
