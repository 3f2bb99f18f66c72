"""Prompts: texts that are put before what a model reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from serve_app.domain.input_format import TokenIds


@dataclass(frozen=True, slots=True)
class Prompts:
    """The prompts of a model.

    named: all that can be asked for by name. default: for a text of which nothing is said. query, document: for a query
    and the documents that are ranked by it; a cross-encoder's query is the first text of a pair. Empty: no prompt.
    """

    named: Mapping[str, str] = field(default_factory=dict)
    default: str = ""
    query: str = ""
    document: str = ""


NO_PROMPTS = Prompts()


def _no_tokens() -> TokenIds:
    return np.empty(0, dtype=np.int32)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as the model reads it.

    text: put before each text, and tokenised with it. token_ids: int32, the prompt's alone, without special tokens: the
    second passage of a document and those after it begin with them. unpooled: tokens at the beginning of a sequence
    that pooling leaves out because of it. behind: put behind each text, and tokenised with it.
    """

    text: str = ""
    token_ids: TokenIds = field(default_factory=_no_tokens)
    unpooled: int = 0
    behind: str = ""

    def around(self, text: str) -> str:
        """A text with its prompt."""
        return self.text + text + self.behind


NO_PROMPT = Prompt()
