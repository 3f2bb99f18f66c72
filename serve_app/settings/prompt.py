"""How a model is asked, as somebody writes it down: in a card, or for a model of one's own."""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from serve_app.domain.errors import shown
from serve_app.domain.prompt_template import PromptTemplate

PLACE = re.compile(r"\{\w*\}")
YAML_NAMES = {True: "yes", False: "no"}
IN_PARTS = ("opening", "between", "closing")
NUMBERS = ("max_tokens", "max_text_tokens", "max_query_tokens")


def checked(prompt: PromptTemplate) -> PromptTemplate:
    """The prompt as it is. Raises ValueError, naming the field, where it could not be put around texts."""
    _require("query", prompt.query, "{query}", and_perhaps="{instruction}")
    _require("document", prompt.document, "{document}")
    if not prompt.document.endswith("{document}"):
        raise ValueError(
            f"document: nothing may follow {{document}}, which is what is cut; got {shown(prompt.document)}"
        )
    if prompt.query_alone:
        _require("query_alone", prompt.query_alone, "{query}")
    for field in IN_PARTS:
        for part in getattr(prompt, field):
            _allow(field, part)
    _allow("instruction", prompt.instruction)
    if prompt.instruction and not prompt.takes_instruction:
        raise ValueError("instruction: query has no place {instruction} for it")
    if bool(prompt.yes) != bool(prompt.no):
        raise ValueError(f"{'no' if prompt.yes else 'yes'}: must be given where {'yes' if prompt.yes else 'no'} is")
    if prompt.yes and prompt.yes == prompt.no:
        raise ValueError(f"no: must be another token than yes, {shown(prompt.yes)}")
    for field in NUMBERS:
        number = getattr(prompt, field)
        if number is not None and number < 1:
            raise ValueError(f"{field}: must be 1 or more; got {number}")
    return prompt


def _spelt(table: object) -> object:
    """A table with the names yes and no where YAML has read true and false, and lists where a single part is given."""
    if not isinstance(table, Mapping):
        return table
    named = {YAML_NAMES.get(name, name) if isinstance(name, bool) else name: value for name, value in table.items()}
    return {name: [value] if name in IN_PARTS and isinstance(value, str) else value for name, value in named.items()}


CheckedPrompt = Annotated[PromptTemplate, BeforeValidator(_spelt), AfterValidator(checked)]


def _require(field: str, text: str, place: str, and_perhaps: str = "") -> None:
    if text.count(place) != 1:
        raise ValueError(f"{field}: must have the place {place} once; got {shown(text)}")
    _allow(field, text, place, and_perhaps)


def _allow(field: str, text: str, *places: str) -> None:
    unknown = [found for found in PLACE.findall(text) if found not in places]
    if unknown:
        raise ValueError(f"{field}: has no place {unknown[0]}; got {shown(text)}")
