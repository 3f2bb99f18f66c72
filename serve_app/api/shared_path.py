"""Whose a body is, where several services have one path."""

from collections.abc import Sequence
from typing import Any

from pydantic_core import from_json

from serve_app.api.endpoint import Marks, Post


def whose(sharing: Sequence[Post[Any, Any, Any]], body: bytes) -> Post[Any, Any, Any]:
    """The endpoint whose marks a body has; the first one's where it has nobody's."""
    # Most bodies name no mark of another service, and need not be looked into.
    others = [(endpoint, endpoint.marks) for endpoint in sharing[1:] if endpoint.marks]
    named = [(endpoint, marks) for endpoint, marks in others if _names(body, marks.fields)]
    if not named:
        return sharing[0]
    fields = _fields(body)
    if fields is None:  # a parser will say what is wrong with it; its names alone tell which
        return next((endpoint for endpoint, marks in named if not _names(body, marks.unless)), sharing[0])
    return next((endpoint for endpoint, marks in named if _marked(marks, fields)), sharing[0])


def _fields(body: bytes) -> dict[str, Any] | None:
    """The fields of an object; None where a body is none."""
    try:
        fields = from_json(body)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None


def _marked(marks: Marks, fields: dict[str, Any]) -> bool:
    def given(names: Sequence[str]) -> bool:
        return any(fields.get(name) is not None for name in names)

    texts = fields.get(marks.texts) if marks.texts else None
    of_objects = isinstance(texts, list) and any(isinstance(each, dict) for each in texts)
    return given(marks.fields) and not given(marks.unless) and not of_objects


def _names(body: bytes, names: Sequence[str]) -> bool:
    """Whether a body has one of these as text, be it a field of its own or not."""
    return any(f'"{name}"'.encode() in body for name in names)
