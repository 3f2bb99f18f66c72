"""Whose a body is, where several services have one path."""

from collections.abc import Sequence
from typing import Any

from pydantic_core import from_json

from serve_app.api.endpoint import Post


def whose(sharing: Sequence[Post[Any, Any, Any]], body: bytes) -> Post[Any, Any, Any]:
    """The endpoint whose marks a body has; the first one's where it has nobody's."""
    # Most bodies name no mark of another service, and need not be looked into.
    named = [endpoint for endpoint in sharing[1:] if _named(endpoint, body)]
    if not named:
        return sharing[0]
    fields = _fields(body)
    if fields is None:
        return named[0]  # whose parser will say what is wrong with it
    return next((endpoint for endpoint in named if _marked(endpoint, fields)), sharing[0])


def _fields(body: bytes) -> dict[str, Any] | None:
    """The fields of an object; None where a body is none."""
    try:
        fields = from_json(body)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None


def _marked(endpoint: Post[Any, Any, Any], fields: dict[str, Any]) -> bool:
    marks = endpoint.marks
    if marks is None or fields.keys().isdisjoint(marks.fields):
        return False
    return all(fields.get(name) is None for name in marks.unless)


def _named(endpoint: Post[Any, Any, Any], body: bytes) -> bool:
    """Whether a body has a mark as text, be it a field of its own or not."""
    return endpoint.marks is not None and any(f'"{name}"'.encode() in body for name in endpoint.marks.fields)
