"""Whose a body is, where several services have one path."""

from collections.abc import Sequence
from typing import Any

from pydantic_core import from_json

from serve_app.api.endpoint import Post
from serve_app.domain.errors import ServiceError


def whose(sharing: Sequence[Post[Any, Any, Any]], body: bytes) -> Post[Any, Any, Any]:
    """The endpoint whose marks a body has; the first one's where it has nobody's.

    Raises ServiceError invalid_request where it has the marks of two.
    """
    first, *others = sharing
    # Most bodies name no mark of another service, and need not be looked into.
    if not any(_named(endpoint, body) for endpoint in others):
        return first
    try:
        fields = from_json(body)
    except ValueError:
        # The parser will say what is wrong with it.
        return next(endpoint for endpoint in sharing if _named(endpoint, body))
    marked = [endpoint for endpoint in sharing if isinstance(fields, dict) and _marks(endpoint, fields)]
    if len(marked) > 1:
        given = [(_marks(endpoint, fields)[0], endpoint.marks.service) for endpoint in marked if endpoint.marks]
        either = " or ".join(f"{name} (as to {service})" for name, service in given)
        raise ServiceError("invalid_request", f"give {either}, not both", given[0][0], fault="type")
    return marked[0] if marked else first


def _marks(endpoint: Post[Any, Any, Any], fields: dict[str, Any]) -> list[str]:
    return [name for name in endpoint.marks.fields if name in fields] if endpoint.marks else []


def _named(endpoint: Post[Any, Any, Any], body: bytes) -> bool:
    """Whether a body has a mark as text, be it a field of its own or not."""
    return endpoint.marks is not None and any(f'"{name}"'.encode() in body for name in endpoint.marks.fields)
