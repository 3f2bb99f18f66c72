"""Texts to embed, as OpenAI's and Text Embeddings Inference's clients send them: one or many, as text or token ids."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from serve_app.api.lenient import Items, TokenId
from serve_app.api.validation import NOT_EMPTY, require_count
from serve_app.domain.errors import ServiceError
from serve_app.domain.request import FieldNames

Text = Annotated[str, WithJsonSchema({"type": "string", "minLength": 1})]
OwnIds = Annotated[Items[TokenId], Field(json_schema_extra=NOT_EMPTY)]  # the model's token ids of one text
Inputs = (
    Text
    | Annotated[Items[Text], Field(json_schema_extra=NOT_EMPTY)]
    | OwnIds
    | Annotated[Items[OwnIds], Field(json_schema_extra=NOT_EMPTY)]
)
ITEM_FORM = "a string or an array of token ids"


def checked_inputs(given: Inputs, names: FieldNames, most: int) -> Sequence[str | Sequence[int]]:
    """A list of texts, whichever of its forms was given. Raises ServiceError where there is none, or an empty one."""
    alone = isinstance(given, str) or (bool(given) and isinstance(given[0], int))
    inputs: Any = [given] if alone else given
    require_count(inputs, names, most)
    for index, text in enumerate(inputs):
        if not len(text):
            param = names.documents if alone else names.document(index)
            raise ServiceError("invalid_request", f"{param} must not be empty", param, fault="empty")
    return inputs  # type: ignore[no-any-return]
