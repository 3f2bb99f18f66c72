"""Which of a model's prompts a request's texts are read with."""

from serve_app.domain.errors import ServiceError, shown
from serve_app.domain.prompts import Prompt
from serve_app.domain.request import EmbedRequest, Reading
from serve_app.service.served import ServedModel


def ranking_prompts(model: ServedModel, reading: Reading, name: str | None = None) -> tuple[Prompt, Prompt]:
    """What is put before queries, and before what is ranked by them.

    name: of the query's prompt, None for the model's own choice. Raises ServiceError where the model has no such one.
    """
    side, most = model.text_side, reading.max_sequence_tokens
    query = side.prompts.query if name is None else _named(model, name)
    return side.prompt(query, most), side.prompt(side.prompts.document, most)


def embedding_prompt(model: ServedModel, request: EmbedRequest) -> Prompt:
    """What is put before the texts of a request. Raises ServiceError where it names a prompt that is not there."""
    prompts = model.text_side.prompts
    if request.prompt_name is not None:
        return model.text_side.prompt(_named(model, request.prompt_name))
    by_type = {"query": prompts.query, "document": prompts.document, None: prompts.default}
    return model.text_side.prompt(by_type[request.input_type])


def _named(model: ServedModel, name: str) -> str:
    named = model.text_side.prompts.named
    if name in named:
        return named[name]
    known = f"it has {', '.join(map(shown, named))}" if named else "it has none"
    message = f"prompt_name {shown(name)} is not a prompt of {shown(model.card.id)}; {known}"
    raise ServiceError("invalid_request", message, "prompt_name")
