"""Texts to embed, as OpenAI's and Text Embeddings Inference's clients send them: one or many, as text or token ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from serve_app.api.lenient import Items, TokenId
from serve_app.api.validation import NOT_EMPTY, require_count, require_same
from serve_app.domain.errors import ServiceError
from serve_app.domain.request import FieldNames, InputType

Text = Annotated[str, WithJsonSchema({"type": "string", "minLength": 1})]
OwnIds = Annotated[Items[TokenId], Field(json_schema_extra=NOT_EMPTY)]  # the model's token ids of one text
Inputs = (
    Text
    | Annotated[Items[Text], Field(json_schema_extra=NOT_EMPTY)]
    | OwnIds
    | Annotated[Items[OwnIds], Field(json_schema_extra=NOT_EMPTY)]
)
ITEM_FORM = "a string or an array of token ids"

# As Voyage, NVIDIA NIM and Cohere spell them.
INPUT_TYPES: Mapping[str, InputType] = {
    "query": "query",
    "search_query": "query",
    "document": "document",
    "passage": "document",
    "search_document": "document",
}


def _plain(value: object) -> object:
    return (value.strip().lower() or None) if isinstance(value, str) else value


Kind = Annotated[
    Literal["query", "document", "passage", "search_query", "search_document"] | None,
    BeforeValidator(_plain),
    Field(description="What the texts are: the model's prompt for queries or for documents is put before them."),
]
# As Jina says it. Its models have weights of their own for other uses, which no model here has.
USES: Mapping[str, InputType] = {"retrieval.query": "query", "retrieval.passage": "document"}
Use = Annotated[
    Literal["retrieval.query", "retrieval.passage"] | None,
    BeforeValidator(_plain),
    Field(description="As Jina says what the texts are, in place of input_type."),
]


def input_type_of(kind: str | None, use: str | None) -> InputType | None:
    """What texts are, as a Kind or a Use says it; None where neither does. Raises ServiceError where they differ."""
    said, used = INPUT_TYPES[kind] if kind else None, USES[use] if use else None
    if said and used and said != used:
        require_same("input_type", kind, "task", use)
    return said or used


@dataclass(frozen=True, slots=True)
class OneText(FieldNames):
    """Names of a body whose field is a text itself, and no list of texts."""

    def document(self, index: int) -> str:  # noqa: ARG002 - there is one
        """See FieldNames."""
        return self.documents


def names_of(given: Inputs, names: FieldNames) -> FieldNames:
    """The names that a field's texts go by."""
    return OneText(documents=names.documents) if _alone(given) else names


def _alone(given: Inputs) -> bool:
    return isinstance(given, str) or (bool(given) and isinstance(given[0], int))


def checked_inputs(given: Inputs, names: FieldNames, most: int) -> Sequence[str | Sequence[int]]:
    """A list of texts, whichever of its forms was given. Raises ServiceError where there is none, or an empty one."""
    inputs: Any = [given] if _alone(given) else given
    require_count(inputs, names, most)
    for index, text in enumerate(inputs):
        if not len(text):
            param = names_of(given, names).document(index)
            raise ServiceError("invalid_request", f"{param} must not be empty", param, fault="empty")
    return inputs  # type: ignore[no-any-return]
