"""Fields and headers that Text Embeddings Inference's endpoints have in common."""

from typing import Annotated, Literal

from pydantic import Field

from serve_app.api.lenient import Flag, PromptName
from serve_app.domain.answer import ModelAnswer
from serve_app.domain.request import FieldNames, Side

INPUTS = FieldNames(documents="inputs")
Direction = Annotated[
    Literal["left", "right", "Left", "Right"] | None,
    Field(description="Where long texts are cut; the model's own side when left out."),
]
Prompt = Annotated[PromptName, Field(description="The model's prompt that is put before a query, or a text to embed.")]
Truncate = Annotated[Flag | None, Field(description="Cut long texts (default); false: refuse them.")]


def side_of(direction: Direction) -> Side | None:
    """The side that a direction names; None where there is none."""
    if direction is None:
        return None
    return "left" if direction in {"left", "Left"} else "right"


def cost_headers(answer: ModelAnswer, total_s: float) -> dict[str, str]:
    """What is told of a request's cost. total_s: seconds that it took; times are told in whole milliseconds."""
    stages, usage = answer.stages, answer.usage
    milliseconds = {
        "x-compute-time": total_s,
        "x-total-time": total_s,
        "x-tokenization-time": stages.tokenize,
        "x-queue-time": stages.queue,
        "x-inference-time": stages.score,
    }
    return {
        "x-compute-type": "rayrank",
        "x-compute-characters": str(usage.characters),
        "x-compute-tokens": str(usage.tokens),
    } | {name: str(round(1_000 * seconds)) for name, seconds in milliseconds.items()}
