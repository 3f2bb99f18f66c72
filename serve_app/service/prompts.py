"""Which prompts a request's texts are read with: the model's own, or one that the request names or instructs."""

from serve_app.domain.errors import ServiceError, shown
from serve_app.domain.prompts import Prompt
from serve_app.domain.request import EmbedRequest, Instruction, Reading
from serve_app.domain.truncation import longest_query
from serve_app.service.served import ServedModel

# Of an instruction, which is tokenised while other requests wait: some 4,000 tokens, in about 5 ms.
MOST_CHARACTERS = 20_000


def ranking_prompts(
    model: ServedModel, reading: Reading, name: str | None = None, instruction: Instruction | None = None
) -> tuple[Prompt, Prompt]:
    """What is put around queries, and before what is ranked by them.

    name: of the query's prompt, None for the model's own choice. instruction: in place of the model's own.
    Raises ServiceError where the model has no such prompt, takes no instruction, or has no room for this one.
    """
    side, most = model.text_side, reading.max_sequence_tokens
    if instruction is not None:
        query = _instructed(model, instruction, name, most)
    elif name is None:
        query = side.query_prompt(most=most)
    elif side.template is not None and side.form.reads_pairs:
        # sentence-transformers gives a prompt to a chat template as the system's message.
        query = side.query_prompt(_named(model, name), most)
    else:
        query = side.prompt(_named(model, name), most)
    return query, side.document_prompt(most)


def embedding_prompt(model: ServedModel, request: EmbedRequest) -> Prompt:
    """What is put before the texts of a request.

    Raises ServiceError where it names a prompt that is not there, or has an instruction that the model does not take,
    has no room for, or takes for queries alone.
    """
    side, instruction = model.text_side, request.instruction
    if instruction is not None:
        prompt = _instructed(model, instruction, request.prompt_name)
        if request.input_type != "query":
            message = f'{instruction.name} is read with queries alone; set "input_type" to "query", or leave it out'
            raise ServiceError("invalid_request", message, instruction.name)
        return prompt
    if request.prompt_name is not None:
        return side.prompt(_named(model, request.prompt_name))
    match request.input_type:
        case "query":
            return side.query_prompt()
        case "document":
            return side.document_prompt()
    return side.prompt(side.prompts.default)


def _instructed(
    model: ServedModel, instruction: Instruction, prompt_name: str | None, most: int | None = None
) -> Prompt:
    """What stands around a query with an instruction. most: tokens of the longest sequence, as the client limits it.

    Raises ServiceError where the model takes none, the request names a prompt beside it, or it leaves a query no room.
    """
    name, card = instruction.name, shown(model.card.id)
    if not model.text_side.takes_instruction:
        message = f"{name}: {card} takes no instruction; leave it out or make it part of the query"
        raise ServiceError("invalid_request", f"{message}; got {shown(instruction.text)}", name)
    if prompt_name is not None:
        message = f"prompt_name and {name} both say what stands before a query; give one"
        raise ServiceError("invalid_request", message, "prompt_name")
    if len(instruction.text) > MOST_CHARACTERS:
        message = f"{name} has {len(instruction.text):,} characters; at most {MOST_CHARACTERS:,} are read"
        raise ServiceError("invalid_request", message, name, fault="size")
    prompt = model.text_side.query_prompt(instruction.text, most)
    limit, tokens = longest_query(model.form.within(most)), prompt.token_ids.size
    if 0 < limit <= tokens:
        message = f"with {name} the prompt around a query has {tokens:,} tokens; {card} reads at most {limit:,}"
        raise ServiceError("invalid_request", f"{message} with the query", name, fault="size")
    return prompt


def _named(model: ServedModel, name: str) -> str:
    named = model.text_side.prompts.named
    if name in named:
        return named[name]
    known = f"it has {', '.join(map(shown, named))}" if named else "it has none"
    message = f"prompt_name {shown(name)} is not a prompt of {shown(model.card.id)}; {known}"
    raise ServiceError("invalid_request", message, "prompt_name")
