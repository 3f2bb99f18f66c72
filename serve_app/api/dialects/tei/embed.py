"""Text Embeddings Inference's `POST /embed`."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field
from pydantic_core import to_json

from serve_app.api.dialects import examples
from serve_app.api.dialects.inputs import ITEM_FORM, Inputs, Kind, Use, checked_inputs, input_type_of, names_of
from serve_app.api.dialects.instructions import InstructionBody
from serve_app.api.dialects.tei.errors import ERRORS
from serve_app.api.dialects.tei.fields import INPUTS, Prompt, cost_headers
from serve_app.api.dialects.truncation import TruncationBody
from serve_app.api.endpoint import Asked, Post, Reply, Words
from serve_app.api.lenient import Count, Flag, ModelName
from serve_app.domain.answer import Embeddings
from serve_app.domain.float32 import shortest_each
from serve_app.domain.request import EmbedRequest
from serve_app.settings import HttpSettings


class EmbedBody(TruncationBody, InstructionBody):
    """Texts to turn into vectors. `model` is not TEI's; it is there to choose another than the default one."""

    model_config = ConfigDict(json_schema_extra={"example": {"inputs": examples.TEXTS[0]}})

    item_forms: ClassVar[Mapping[str, str]] = {"inputs": ITEM_FORM}

    model: ModelName = None
    inputs: Inputs
    normalize: Annotated[Flag | None, Field(description="Whether vectors have length 1 (default).")] = None
    dimensions: Annotated[
        Count | None, Field(description="The model's own number; fewer where the model allows it.")
    ] = None
    prompt_name: Prompt = None
    input_type: Kind = None
    task: Use = None


def parse(body: EmbedBody, http: HttpSettings) -> EmbedRequest:
    """What a body asks for. Raises ServiceError invalid_request naming the field at fault."""
    return EmbedRequest(
        model=body.model,
        inputs=checked_inputs(body.inputs, INPUTS, http.max_documents),
        dimensions=body.dimensions,
        truncate=body.cut is not False,
        truncated_side=body.side,
        normalize=body.normalize is not False,
        prompt_name=body.prompt_name,
        input_type=input_type_of(body.input_type, body.task),
        instruction=body.told,
        names=names_of(body.inputs, INPUTS),
    )


def render(embeddings: Embeddings, asked: Asked[EmbedBody, EmbedRequest]) -> Reply:
    """The answer: an array of vectors."""
    return Reply(to_json(shortest_each(embeddings.vectors).tolist()), cost_headers(embeddings, asked.elapsed_s))


EMBED = Post(
    name="embed",
    paths=("/embed",),
    scope="embeddings",
    body=EmbedBody,
    parse=parse,
    answer=list[list[float]],
    render=render,
    errors=ERRORS,
    words=Words(
        summary="Turn texts into vectors by the default model, as Text Embeddings Inference does",
        example=[examples.VECTOR],
        statuses=(400, 404, 408, 413, 415, 422, 424, 429, 503),
    ),
)
