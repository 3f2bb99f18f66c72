"""`POST /v1/embeddings`, as OpenAI's clients send and read it."""

import base64
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic_core import to_json

from serve_app.api.dialects.native import shortest
from serve_app.api.validation import NOT_EMPTY, Count, NotNegative, RequestBody, require_count, validated
from serve_app.domain.answer import Embeddings
from serve_app.domain.errors import ServiceError
from serve_app.domain.price import format_usd
from serve_app.domain.request import EmbedRequest, FieldNames, Side

Text = Annotated[str, WithJsonSchema({"type": "string", "minLength": 1})]
TokenIds = Annotated[list[NotNegative], Field(json_schema_extra=NOT_EMPTY)]
Inputs = (
    Text
    | Annotated[list[Text], Field(json_schema_extra=NOT_EMPTY)]
    | TokenIds
    | Annotated[list[TokenIds], Field(json_schema_extra=NOT_EMPTY)]
)
NAMES = FieldNames(documents="input")


class EmbeddingsBody(RequestBody):
    """Texts, or texts as the model's token ids (of `POST /tokenize`)."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "model": "sentence-transformers/all-MiniLM-L6-v2",
                "input": ["Paris is the capital of France.", "Bananas are yellow."],
                "encoding_format": "float",
            }
        }
    )

    item_forms: ClassVar[Mapping[str, str]] = {"input": "a string or an array of token ids"}

    model: Annotated[str, Field(min_length=1, description="Id or alias of a served model that embeds.")]
    input: Inputs
    encoding_format: Annotated[
        Literal["float", "base64"] | None, Field(description="base64: little-endian float32.")
    ] = None
    dimensions: Annotated[Count | None, Field(description="Only the model's own number is taken.")] = None
    user: str | None = None
    truncate: Annotated[bool | None, Field(description="Cut long texts; otherwise they are refused.")] = None
    truncation_side: Annotated[Side | None, Field(description="The side on which long texts are cut.")] = None


class EmbeddingBody(BaseModel):
    """One text's vector, of length 1."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class UsageBody(BaseModel):
    """Tokens that the model read, and their price in US dollars."""

    prompt_tokens: int
    total_tokens: int
    cost_usd: str


class EmbeddingsAnswer(BaseModel):
    """Vectors in the order of the texts."""

    object: Literal["list"]
    data: list[EmbeddingBody]
    model: str
    usage: UsageBody


def parse(body: bytes, max_inputs: int) -> tuple[EmbedRequest, bool]:
    """The request in a body, and whether its vectors are wanted in base64.

    Raises ServiceError invalid_request naming the field at fault.
    """
    parsed = validated(EmbeddingsBody, body)
    request = EmbedRequest(
        model=parsed.model,
        inputs=checked_inputs(parsed.input, NAMES, max_inputs),
        dimensions=parsed.dimensions,
        truncate=bool(parsed.truncate),
        truncated_side=parsed.truncation_side or "right",
    )
    return request, parsed.encoding_format == "base64"


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


def render(embeddings: Embeddings, *, as_base64: bool) -> bytes:
    """The answer's body."""
    vectors = embeddings.vectors
    if as_base64:
        encoded: list[Any] = [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in vectors]
    else:
        encoded = [[shortest(value) for value in row] for row in vectors]
    usage = embeddings.usage
    return to_json(
        {
            "object": "list",
            "data": [{"object": "embedding", "index": index, "embedding": row} for index, row in enumerate(encoded)],
            "model": embeddings.model,
            "usage": {
                "prompt_tokens": usage.tokens,
                "total_tokens": usage.tokens,
                "cost_usd": format_usd(usage.nano_dollars),
            },
        }
    )
