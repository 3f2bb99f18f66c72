"""`POST /v1/embeddings`, as OpenAI's clients send and read it."""

import base64
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from serve_app.api.dialects import examples
from serve_app.api.dialects.inputs import ITEM_FORM, Inputs, Kind, Use, checked_inputs, input_type_of, names_of
from serve_app.api.dialects.instructions import InstructionBody
from serve_app.api.dialects.truncation import TruncationBody
from serve_app.api.endpoint import Asked, Post, Reply, Words
from serve_app.api.lenient import Count, ModelName, PromptName
from serve_app.domain.answer import Embeddings
from serve_app.domain.float32 import shortest_each
from serve_app.domain.price import format_usd, usd
from serve_app.domain.request import EmbedRequest, FieldNames
from serve_app.settings import EMBEDDED_MODEL, HttpSettings

NAMES = FieldNames(documents="input")


class EmbeddingsBody(TruncationBody, InstructionBody):
    """Texts, or texts as the model's token ids (of `POST /tokenize`). Long ones are refused by default."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"model": EMBEDDED_MODEL, "input": examples.TEXTS, "encoding_format": "float"}}
    )

    item_forms: ClassVar[Mapping[str, str]] = {"input": ITEM_FORM}

    model: ModelName = None
    input: Inputs
    encoding_format: Annotated[
        Literal["float", "base64"] | None, Field(description="base64: little-endian float32.")
    ] = None
    dimensions: Annotated[
        Count | None, Field(description="The model's own number; fewer where the model allows it.")
    ] = None
    user: str | None = None
    input_type: Kind = None
    task: Use = None
    prompt_name: Annotated[PromptName, Field(description="The model's prompt that is put before the texts.")] = None


class EmbeddingBody(BaseModel):
    """One text's vector, as the model's own modules make it."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class UsageBody(BaseModel):
    """Tokens that the model read, and their price in US dollars."""

    prompt_tokens: int
    total_tokens: int
    cost_usd: str
    cost: float


class EmbeddingsAnswer(BaseModel):
    """Vectors in the order of the texts."""

    object: Literal["list"]
    data: list[EmbeddingBody]
    model: str
    usage: UsageBody


def parse(body: EmbeddingsBody, http: HttpSettings) -> EmbedRequest:
    """What a body asks for. Raises ServiceError invalid_request naming the field at fault."""
    return EmbedRequest(
        model=body.model,
        inputs=checked_inputs(body.input, NAMES, http.max_documents),
        dimensions=body.dimensions,
        truncate=bool(body.cut),
        truncated_side=body.side,
        prompt_name=body.prompt_name,
        input_type=input_type_of(body.input_type, body.task),
        instruction=body.told,
        names=names_of(body.input, NAMES),
    )


def render(embeddings: Embeddings, asked: Asked[EmbeddingsBody, EmbedRequest]) -> Reply:
    """The answer."""
    vectors, usage = embeddings.vectors, embeddings.usage
    encoded: list[Any]
    if asked.body.encoding_format == "base64":
        encoded = [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in vectors]
    else:
        encoded = shortest_each(vectors).tolist()
    answer = {
        "object": "list",
        "data": [{"object": "embedding", "index": index, "embedding": row} for index, row in enumerate(encoded)],
        "model": embeddings.model,
        "usage": {
            "prompt_tokens": usage.tokens,
            "total_tokens": usage.tokens,
            "cost_usd": format_usd(usage.nano_dollars),
            "cost": usd(usage.nano_dollars),
        },
    }
    return Reply(to_json(answer))


EMBEDDINGS = Post(
    name="embeddings",
    paths=("/v1/embeddings",),
    scope="embeddings",
    body=EmbeddingsBody,
    parse=parse,
    answer=EmbeddingsAnswer,
    render=render,
    words=Words(
        summary="Turn texts into vectors, as OpenAI does",
        example={
            "object": "list",
            "data": [{"object": "embedding", "index": 0, "embedding": examples.VECTOR}],
            "model": EMBEDDED_MODEL,
            "usage": {"prompt_tokens": 9, "total_tokens": 9, "cost_usd": "0.000000036", "cost": 3.6e-08},
        },
    ),
)
