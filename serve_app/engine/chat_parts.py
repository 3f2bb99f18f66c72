"""A chat template's prompt, cut into parts whose tokens are together those of the whole.

Who reads a chat template tokenises the whole prompt as one text. Here a query is tokenised once for all of its
documents, so the prompt is cut ahead of the document, and behind it, where no token crosses the cut. Whether one does
is found by trying texts of all kinds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

from serve_app.domain.prompt_template import PromptTemplate
from serve_app.engine.files import ModelError
from serve_app.engine.modules.model_config import ModelConfig
from serve_app.engine.tokenizer import Tokenizer

# What tokenizers treat in ways of their own where it stands beside a cut: blanks and lines, letters, digits, marks,
# endings, what composes with the character ahead of it, and scripts without blanks.
TEXTS: tuple[str, ...] = ("One text.", "", " ", "  two ", "\n", "\n\nlines\r\n", "\ttab", "7", "'s", "...", "?!\n")
TEXTS += ("(a)", "\u0301e", "\u00a0x", "巴黎。", "🍌", "</think>", "<|im_end|>", "ends with a blank ", "a:\n")
# Queries and instructions: each of all kinds, and the shortest of both together.
ASKED = [*((text, TEXTS[0]) for text in TEXTS), *((TEXTS[0], text) for text in TEXTS), *product(TEXTS[1:4], repeat=2)]
Forms = tuple[tuple[str, str], ...]  # what stands before and behind a query, with and without an instruction


def apart(config: ModelConfig, template: PromptTemplate, tokenizer: Tokenizer) -> PromptTemplate:
    """The same prompt in parts that may be tokenised apart.

    template: of one text, whose document's part is the document alone.
    Raises ModelError where the text around the document makes tokens with it wherever it is cut.
    """
    forms: Forms = tuple((form.partition("{query}")[0], form.partition("{query}")[2]) for form in _forms(template))
    closing = "".join(template.closing)
    ahead = _cut_ahead_of_document(tokenizer, forms)
    if ahead is None or not _same(tokenizer, [(ahead + text, closing) for text in TEXTS]):
        where = "ahead of" if ahead is None else "behind"
        raise ModelError(
            f"{config.directory}: the chat template cannot be read as the parts of a prompt: what stands {where} the "
            "document makes tokens with it"
        )
    opening = _opening(tokenizer, forms, len(ahead))
    first, last = len(opening), len(ahead)
    query, *alone = (form[first : len(form) - last] for form in _forms(template))
    return replace(
        template,
        query=query,
        query_alone=alone[0] if alone else "",
        document=ahead + "{document}",
        opening=(opening,) if opening else (),
        closing=(closing,) if closing else (),
    )


def _forms(template: PromptTemplate) -> list[str]:
    return [template.query, template.query_alone] if template.query_alone else [template.query]


def _cut_ahead_of_document(tokenizer: Tokenizer, forms: Forms) -> str | None:
    """What goes with the document of the text ahead of it: as little as can be; None where no cut will do."""
    fixed = [behind.rpartition("{instruction}")[2] for _, behind in forms]
    shared = _shared([text[::-1] for text in fixed])[::-1]
    for size in range(len(shared) + 1):
        ahead = shared[len(shared) - size :]
        if _same(tokenizer, [(query, ahead + text) for query, text in product(_queries(forms, size), TEXTS)]):
            return ahead
    return None


def _opening(tokenizer: Tokenizer, forms: Forms, ahead: int) -> str:
    """What goes ahead of instruction and query, the same for all: as much as can be.

    ahead: characters that go with the document.
    """
    shared = _shared([before.partition("{instruction}")[0] for before, _ in forms])
    queries = list(_queries(forms, ahead))
    for size in range(len(shared), 0, -1):
        if _same(tokenizer, [(query[:size], query[size:]) for query in queries]):
            return shared[:size]
    return ""


def _shared(texts: Sequence[str]) -> str:
    """What all texts begin with."""
    size = 0
    while all(len(text) > size and text[size] == texts[0][size] for text in texts):
        size += 1
    return texts[0][:size]


def _queries(forms: Forms, ahead: int) -> Iterator[str]:
    """All up to the document, less so many characters, for queries and instructions of all kinds."""
    for (before, behind), (query, instruction) in product(forms, ASKED):
        parts = (part.replace("{instruction}", instruction) for part in (before, behind[: len(behind) - ahead]))
        yield query.join(parts)


def _same(tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]]) -> bool:
    """Whether each two texts have apart the tokens that they have together."""
    together = tokenizer.encode([first + second for first, second in pairs])
    first, second = (tokenizer.encode([pair[place] for pair in pairs]) for place in (0, 1))
    return all(
        whole.tolist() == [*head.tolist(), *tail.tolist()]
        for whole, head, tail in zip(together, first, second, strict=True)
    )
