"""sentence_bert_config.json: what sentence-transformers says of a Transformer's input and output."""

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from serve_app.domain.model import HeadKind
from serve_app.engine.files import read_json
from serve_app.engine.models.config import MOST_TOKENS
from serve_app.engine.models.fields import Fields
from serve_app.engine.modules.chat_template import ChatSettings, MessageFormat
from serve_app.engine.modules.config import SCORES, TOKENS
from serve_app.engine.modules.logit_score import READS

# The first of these that is there and not empty is read.
NAMES = tuple(
    f"sentence_{family}_config.json"
    for family in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
ANSWERING = "text-generation"
# By task: what follows the encoder, what the Transformer takes of its output, and what it calls that.
TASKS: dict[str, tuple[HeadKind, str, str]] = {
    "feature-extraction": ("embedding", "last_hidden_state", TOKENS),
    "sequence-classification": ("classification", "logits", SCORES),
    ANSWERING: ("classification", "logits", READS),
}
# Of a chat template's arguments: what is done about a text that was cut. The end is put back, as it is here.
RESTORES = "restore_suffix"
# What else of them is not given to the template, but to the tokenizer.
NOT_RENDERED = ("padding", "truncation", "max_length", "return_tensors")
# Arguments of transformers' loaders that change speed, memory or what is trusted, and no score.
HARMLESS_MODEL_ARGUMENTS = {
    "attn_implementation",
    "device_map",
    "dtype",
    "low_cpu_mem_usage",
    "torch_dtype",
    "trust_remote_code",
    "use_safetensors",
}


@dataclass(frozen=True, slots=True)
class TransformerSettings:
    """How sentence-transformers uses a Transformer.

    head: whether the family's own head follows its encoder. max_tokens: the longest sequence, in place of what the
    tokenizer says; None where that counts. lower_case: whether text is put into lower case before all else. answers:
    whether the logits are of the vocabulary. chat: how it uses the tokenizer's chat template; None where it does not.
    """

    head: HeadKind = "embedding"
    max_tokens: int | None = None
    lower_case: bool = False
    answers: bool = False
    chat: ChatSettings | None = None


def read_transformer(folder: Path) -> TransformerSettings:
    """The settings of the Transformer in a folder.

    Raises ModelError, naming file and field, where one is not known or not supported.
    """
    fields = _fields(folder)
    fields.ignore({"unpad_inputs"})  # how a batch is laid out
    for name in ("tokenizer_name_or_path", "query_length", "document_length", "query_expansion"):
        fields.refuse(name)
    task = fields.choice("transformer_task", "feature-extraction", *TASKS)
    head, output, called = TASKS[task]
    _require_text(fields, output, called)
    chat = _chat(fields, output) if head == "classification" else None
    if chat is None:
        fields.refuse("processing_kwargs")
    _arguments(fields, "model_args", "model_kwargs").ignore(HARMLESS_MODEL_ARGUMENTS)
    _arguments(fields, "config_args", "config_kwargs").ignore({"trust_remote_code"})
    max_tokens = _max_tokens(fields)
    lower_case = "do_lower_case" in fields and fields.flag("do_lower_case")
    fields.refuse_unknown()
    return TransformerSettings(head, max_tokens, lower_case, task == ANSWERING, chat)


def _fields(folder: Path) -> Fields:
    for name in NAMES:
        if (folder / name).exists() and (content := read_json(folder / name)):
            return Fields(folder / name, content)
    return Fields(folder / NAMES[0], {})


def _require_text(fields: Fields, output: str, called: str) -> None:
    """Refuse a Transformer that reads anything but plain text, or gives anything but what its task's default is."""
    fields.ignore({"module_output_name"})
    if "modality_config" not in fields:
        return  # without it, sentence-transformers reads no module_output_name either
    text = fields.part("modality_config").part("text")
    text.only("method", "forward", default=None)
    text.only("method_output_name", output, default=None)
    fields.only("module_output_name", called, default=None)


def _chat(fields: Fields, output: str) -> ChatSettings | None:
    """How pairs go through a chat template: as messages, where those are among what it reads."""
    kinds = fields.part("modality_config")
    if "message" not in kinds:
        return None
    message = kinds.part("message")
    message.only("method", "forward", default=None)
    message.only("method_output_name", output, default=None)
    shape = message.choice("format", "flat", *get_args(MessageFormat)) if message.has("format") else None
    processing = fields.part("processing_kwargs")
    arguments = processing.part("chat_template")
    for name in NOT_RENDERED:
        arguments.refuse(name)
    arguments.only(RESTORES, supported=True, default=True)
    given = {name: arguments.raw(name) for name in (fields.raw("processing_kwargs") or {}).get("chat_template") or {}}
    given.pop(RESTORES, None)
    return ChatSettings(shape, given)  # type: ignore[arg-type]  # one of its choices


def _arguments(fields: Fields, old_name: str, name: str) -> Fields:
    """The arguments for one of transformers' loaders, under either of their names."""
    if old_name in fields and name in fields:
        raise fields.refusal(old_name, f"{name} is there, too; only one of them can count")
    return fields.part(old_name if old_name in fields else name)


def _max_tokens(fields: Fields) -> int | None:
    arguments = _arguments(fields, "tokenizer_args", "processor_kwargs")
    arguments.ignore({"trust_remote_code"})
    fields.ignore({"max_seq_length"})
    if arguments.has("model_max_length"):
        return arguments.whole("model_max_length", most=MOST_TOKENS)
    return fields.whole("max_seq_length", most=MOST_TOKENS) if "max_seq_length" in fields else None
