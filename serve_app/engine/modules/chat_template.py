"""A directory's chat template, read as a prompt in which a query and a document stand.

sentence-transformers gives a pair to a chat template as two messages, of the roles query and document, and a prompt as
the system's message ahead of them. Source: its base/modality.py and base/modules/transformer.py. What a template does
is found by rendering it: where the texts come out is where they stand.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal

import jinja2

from serve_app.domain.errors import shown
from serve_app.domain.prompt_template import PromptTemplate
from serve_app.engine.files import ModelError, read_json, unreadable
from serve_app.engine.modules.chat_environment import chat_environment
from serve_app.engine.tokenizer.files import CONFIG

FILE = "chat_template.jinja"
SEVERAL = "additional_chat_templates"
MessageFormat = Literal["flat", "structured"]

# What shows that a template wants a message's content as a list. Source: InputFormatter._infer_format.
STRUCTURED = ("content[0]", ".type", "'type'", '"type"', "item.type", "message.content[")
QUERY, DOCUMENT, INSTRUCTION = "Zq7query", "Zq7document", "Zq7instruction"
PLACES = ("{query}", "{document}", "{instruction}")
# Texts that a template may treat in ways of their own.
PROBES = (
    "a word",
    "",
    " ",
    "  blanks ",
    "\nlines\n\n",
    "null",
    "<tag> & \"quotes\" 'single'",
    "{{ query }}",
    "巴黎。",
    "\ttab",
)


@dataclass(frozen=True, slots=True)
class ChatSettings:
    """How sentence-transformers uses a chat template.

    message_format: how a message has its text; None for what the template shows. arguments: that it renders with.
    """

    message_format: MessageFormat | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


def read_chat_template(
    directory: Path, settings: ChatSettings, instruction: str = "", answers: tuple[str, str] = ("", "")
) -> PromptTemplate | None:
    """The prompt that a directory's chat template makes of a pair; None where it has no such template.

    Its parts are those of one text: whoever reads them apart has to see that the tokens are the same. instruction: the
    default one. answers: the tokens for yes and no, where the model answers by its vocabulary.
    Raises ModelError, naming the file, where a template is there and cannot be read so.
    """
    if (found := _source(directory)) is None:
        return None
    path, source = found
    render = _compiled(path, source, settings, _special_tokens(directory))
    alone = _parted(path, render(QUERY, DOCUMENT, ""))
    told = render(QUERY, DOCUMENT, INSTRUCTION)
    query, query_alone = alone.query, ""
    if INSTRUCTION in told:
        within = _parted(path, told)
        if within.closing != alone.closing:
            raise _refusal(path, "the system's message changes what stands behind the document")
        query, query_alone = within.query.replace(INSTRUCTION, "{instruction}"), alone.query
    elif told != _joined(alone, QUERY, DOCUMENT):
        raise _refusal(path, "the system's message changes it, and does not stand in it")
    template = PromptTemplate(
        query,
        query_alone=query_alone,
        instruction=instruction if query_alone else "",
        closing=alone.closing,
        yes=answers[0],
        no=answers[1],
    )
    _require_texts(path, render, template)
    return template


Render = Callable[[str, str, str], str]  # of a query, a document and an instruction, empty for none


def _source(directory: Path) -> tuple[Path, str] | None:
    """The file with the chat template, and the template, as transformers finds it."""
    if (directory / SEVERAL).exists():
        raise _refusal(directory / SEVERAL, "several templates are not supported")
    path = directory / FILE
    if path.exists():
        try:
            return path, path.read_text(encoding="utf-8")
        except OSError as error:
            raise unreadable(path, error) from None
        except UnicodeDecodeError as error:
            raise _refusal(path, f"byte {error.start:,} is not UTF-8") from None
    path = directory / CONFIG
    source = read_json(path).get("chat_template") if path.exists() else None
    if source is not None and not isinstance(source, str):
        raise _refusal(path, "chat_template: several templates are not supported")
    return (path, source) if source else None


def _special_tokens(directory: Path) -> dict[str, str | None]:
    """The special tokens that tokenizer_config.json names, None where it says that there is none."""
    path = directory / CONFIG
    found = {
        name: value for name, value in (read_json(path) if path.exists() else {}).items() if name.endswith("_token")
    }
    spelt = {name: value.get("content") if isinstance(value, dict) else value for name, value in found.items()}
    return {name: value for name, value in spelt.items() if value is None or isinstance(value, str)}


def _compiled(path: Path, source: str, settings: ChatSettings, tokens: dict[str, str | None]) -> Render:
    environment = chat_environment()
    shape = settings.message_format
    if shape is None:
        shape = "structured" if any(pattern in source for pattern in STRUCTURED) else "flat"

    def message(role: str, text: str) -> dict[str, Any]:
        return {"role": role, "content": text if shape == "flat" else [{"type": "text", "text": text}]}

    def render(query: str, document: str, instruction: str) -> str:
        messages = [message("query", query), message("document", document)]
        if instruction:
            messages.insert(0, message("system", instruction))
        with _rendering(path):
            return compiled.render(**given, messages=messages)

    with _rendering(path):
        compiled = environment.from_string(source)
        read = jinja2.meta.find_undeclared_variables(environment.parse(source))
    if unnamed := sorted(name for name in read if name.endswith("_token") and name not in tokens):
        raise _refusal(path, f"it reads {unnamed[0]}, which {CONFIG} does not name")
    known = {name: token for name, token in tokens.items() if token is not None}
    given = {"tools": None, "documents": None, "add_generation_prompt": False} | known | dict(settings.arguments)
    return render


@contextmanager
def _rendering(path: Path) -> Iterator[None]:
    """Refuse a template that raises an error, its own or one of Python's."""
    try:
        yield
    except jinja2.TemplateError as error:
        raise _refusal(path, f"it cannot be rendered: {shown(error.message or type(error).__name__)}") from None
    except Exception as error:
        raise _refusal(path, f"it cannot be rendered: {type(error).__name__}") from None


def _parted(path: Path, whole: str) -> PromptTemplate:
    """A prompt that was rendered of the words that stand for the texts."""
    if strange := [place for place in PLACES if place in whole]:
        raise _refusal(path, f"its own text has {strange[0]}")
    for role, word in (("query", QUERY), ("document", DOCUMENT)):
        if (times := whole.count(word)) != 1:
            told = "has no place for" if not times else f"has {times} places for"
            raise _refusal(path, f"it {told} a message of the role {role}")
    before, _, behind = whole.partition(DOCUMENT)
    if QUERY in behind:
        raise _refusal(path, "the query stands behind the document")
    if INSTRUCTION in behind:
        raise _refusal(path, "the system's message stands behind the document")
    return PromptTemplate(before.replace(QUERY, "{query}"), closing=(behind,) if behind else ())


def _require_texts(path: Path, render: Render, template: PromptTemplate) -> None:
    """Refuse a template that changes what it is given, or its own text by it."""
    for texts in product(PROBES, PROBES, PROBES):
        if render(*texts) != _joined(template, *texts):
            # The first of them that is not plain words is what it treats in a way of its own.
            strange = next((text for text in texts if text != PROBES[0]), PROBES[0])
            raise _refusal(path, f"it does not give back a text as it is: {shown(strange)}")


def _joined(template: PromptTemplate, query: str, document: str, instruction: str = "") -> str:
    """The whole prompt. instruction: empty for none, whatever the default one is."""
    before, behind = replace(template, instruction="").around_query(instruction)
    return before + query + behind + document + "".join(template.closing)


def _refusal(path: Path, reason: str) -> ModelError:
    return ModelError(f"{path}: the chat template cannot be read as the parts of a prompt: {reason}")
