"""Documents as clients of several services send them."""

from collections.abc import Mapping, Sequence
from typing import Any

from serve_app.api.places import plain
from serve_app.domain.errors import ServiceError, shown
from serve_app.domain.request import Document

ITEM_FORMS = {"documents": 'a string or an object with a "text"'}


def documents_of(given: Sequence[str | Mapping[str, Any]], rank_fields: Sequence[str] | None = None) -> list[Document]:
    """Strings, or objects of which some fields are read: their text when no others are named.

    Raises ServiceError naming the document.
    """
    return [
        Document(each) if isinstance(each, str) else _document(f"documents[{index}]", each, rank_fields)
        for index, each in enumerate(given)
    ]


def _document(param: str, given: Mapping[str, Any], rank_fields: Sequence[str] | None) -> Document:
    values = []
    for field in rank_fields or ["text"]:
        value = given.get(field)
        if isinstance(value, str):
            values.append(value)
        elif value is not None or not rank_fields:
            place = f"{param}.{plain(field)}"
            raise ServiceError("invalid_request", f"{place} must be a string; got {shown(value)}", place)
    if not values:
        raise ServiceError("invalid_request", f"{param} has none of the rank_fields {shown(rank_fields)}", param)
    return Document("\n".join(values), given)
