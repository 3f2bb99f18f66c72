"""Fields and headers that Text Embeddings Inference's endpoints have in common."""

from typing import Annotated

from pydantic import Field

from serve_app.api.lenient import PromptName
from serve_app.domain.answer import ModelAnswer
from serve_app.domain.request import FieldNames

INPUTS = FieldNames(documents="inputs")
Prompt = Annotated[PromptName, Field(description="The model's prompt that is put before a query, or a text to embed.")]


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
