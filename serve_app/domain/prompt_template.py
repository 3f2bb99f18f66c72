"""How a model wants to be asked, where its texts stand in sentences of a prompt."""

from dataclasses import dataclass
from typing import ClassVar

from serve_app.domain.model import STRICT

# Parts that only a cross-encoder's prompt has.
OF_PAIRS = ("query_alone", "opening", "between", "closing", "yes", "no", "max_text_tokens", "max_query_tokens")


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A prompt in parts. Each part is tokenised by itself, in the order in which they stand here.

    opening: what every sequence begins with, one part or several. query: around the query, with the places
    `{instruction}` and `{query}`. query_alone: the same for a request without an instruction; empty where there is none
    but `query`. between: what stands between query and document. document: around the document, with the place
    `{document}`, which nothing follows: the document is what is cut. closing: what every sequence ends with.
    instruction: the default one; empty for none.
    yes, no: the tokens of which the model's logits are compared, where it answers by its vocabulary.
    max_tokens: of the longest sequence. max_text_tokens: of query, between and document together, in place of
    max_tokens. max_query_tokens: of the query with what stands around it. None: as many as the model reads.

    A bi-encoder's has a query and a document alone; what stands around all texts is its tokenizer's.
    """

    __pydantic_config__: ClassVar = STRICT

    query: str
    document: str = "{document}"
    query_alone: str = ""
    instruction: str = ""
    opening: tuple[str, ...] = ()
    between: tuple[str, ...] = ()
    closing: tuple[str, ...] = ()
    yes: str = ""
    no: str = ""
    max_tokens: int | None = None
    max_text_tokens: int | None = None
    max_query_tokens: int | None = None

    def around_query(self, instruction: str = "") -> tuple[str, str]:
        """What stands before and behind a query. instruction: the request's; empty for the default one."""
        said = instruction or self.instruction
        form = self.query if said or not self.query_alone else self.query_alone
        before, _, behind = form.partition("{query}")
        return before.replace("{instruction}", said), behind.replace("{instruction}", said)

    @property
    def before_document(self) -> str:
        """What stands before a document, tokenised with it."""
        return self.document.partition("{document}")[0]

    @property
    def takes_instruction(self) -> bool:
        """Whether a request may bring its own instruction."""
        return "{instruction}" in self.query


def default_instruction(template: PromptTemplate | None) -> str | None:
    """What a model is told where a request says nothing, "" for nothing; None where it takes no instruction."""
    return template.instruction if template is not None and template.takes_instruction else None
