"""Fields that instruct a model how to judge, which no model here takes: without them it would judge otherwise."""

from typing import Any

from serve_app.api.validation import RequestBody
from serve_app.domain.errors import ServiceError, shown

# As DashScope, SiliconFlow and vLLM, and Jina name them.
INSTRUCTIONS = ("instruct", "instruction", "task")


def refuse_instructions(body: RequestBody) -> None:
    """Raise ServiceError where a body has an instruction that says something."""
    extra = body.model_extra or {}
    for name in INSTRUCTIONS:
        if _says_something(extra.get(name)):
            message = f"{name}: the model takes no instruction; leave it out or make it part of the query"
            raise ServiceError("invalid_request", f"{message}; got {shown(extra[name])}", name)


def _says_something(value: Any) -> bool:
    return bool(value.strip() if isinstance(value, str) else value)
