"""The fields that tell a model how to judge, by the names of all services, for every route that ranks or embeds."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema

from serve_app.api.lenient import none_if_blank
from serve_app.api.places import plain
from serve_app.api.validation import RequestBody, agreed, require_same
from serve_app.domain.errors import ServiceError, shown
from serve_app.domain.request import Instruction

Told = Annotated[str | None, AfterValidator(none_if_blank)]

# What Jina's `task` says of texts to embed. Source: the API reference of jina-embeddings-v3 and v4.
USES = (
    "retrieval.query",
    "retrieval.passage",
    "text-matching",
    "classification",
    "separation",
    "clustering",
    "code.query",
    "code.passage",
)
INNER = "chat_template_kwargs.instruction"
ARGUMENTS = {
    "type": "object",
    "properties": {"instruction": {"type": ["string", "null"]}},
    "additionalProperties": {"type": "null"},
}


class InstructionBody(RequestBody):
    """Fields of a body for models that take an instruction; others refuse it."""

    instruction: Annotated[
        Told, Field(description="How to judge, in place of the model's own instruction; refused where it takes none.")
    ] = None
    instruct: Annotated[Told, Field(description="Another name of instruction, as DashScope has it.")] = None
    chat_template_kwargs: Annotated[
        Annotated[dict[str, Any], WithJsonSchema(ARGUMENTS)] | None,
        Field(description="As vLLM has it: its `instruction` alone, another name of the field."),
    ] = None

    @property
    def told(self) -> Instruction | None:
        """What the model is told; None where nothing is. Raises ServiceError where two names of it differ."""
        return self._told("instruction", "instruct")

    def _told(self, *names: str) -> Instruction | None:
        _refuse_template(self.model_extra or {})
        text, inner = agreed(self, *names), _inner(self.chat_template_kwargs)
        name = next((name for name in names if getattr(self, name) is not None), INNER)
        if text is not None and inner is not None:
            require_same(name, text, INNER, inner)
        said = inner if text is None else text
        return None if said is None else Instruction(said, name)


class JudgingBody(InstructionBody):
    """The same for bodies with something to rank or to score."""

    task: Annotated[
        Told, Field(description="Another name of instruction.", json_schema_extra={"not": {"enum": list(USES)}})
    ] = None

    @property
    def told(self) -> Instruction | None:
        """See InstructionBody. Raises ServiceError, too, where task says what an embedding is for."""
        if self.task in USES:
            message = f"task: {shown(self.task)} says what an embedding is for, not how to judge; leave it out"
            raise ServiceError("invalid_request", message, "task")
        return self._told("instruction", "instruct", "task")


def _inner(given: dict[str, Any] | None) -> str | None:
    """The instruction among vLLM's arguments of a chat template. Raises ServiceError where there are others."""
    for name, value in (given or {}).items():
        place = f"chat_template_kwargs.{plain(name)}"
        if name != "instruction" and value is not None:
            message = f"{place} is not supported: of a prompt only the instruction may be changed; leave it out"
            raise ServiceError("invalid_request", message, place)
        if value is not None and not isinstance(value, str):
            raise ServiceError("invalid_request", f"{place} must be a string; got {shown(value)}", place, fault="type")
    text: str | None = (given or {}).get("instruction")
    return text if text and text.strip() else None


def _refuse_template(extra: dict[str, Any]) -> None:
    """Raise ServiceError where a body brings a chat template of its own, as vLLM's may."""
    if extra.get("chat_template"):
        message = "chat_template is not supported: the model's own prompt is used; leave it out"
        raise ServiceError("invalid_request", f"{message}; got {shown(extra['chat_template'])}", "chat_template")
