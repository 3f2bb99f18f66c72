"""Real texts as a model reads them, in this process: what a served request costs the engine is known beforehand."""

import json
from bisect import bisect_right
from pathlib import Path

from loadtest.corpus.read import read_corpus
from serve_app.catalog.card import Card
from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import locate, resolve
from serve_app.domain.passages import Passages, cut_passages
from serve_app.engine.assembly import load_text_side
from serve_app.settings import EMBEDDED_MODEL

QUERY = "how are the works of a dishonest merchant discovered"
WORD = "a"  # a token


class ModelTexts:
    """The texts of requests to a model. name: as ModelSettings has it."""

    def __init__(self, name: str = EMBEDDED_MODEL) -> None:
        self.card: Card = resolve(name, load_catalog())
        self.directory: Path = locate(self.card.source)
        self.text_side = load_text_side(self.directory, self.card.truncation, self.card.prompt)
        self.tokenizer, self.form = self.text_side.tokenizer, self.text_side.form

    def passages(self, documents: list[str]) -> Passages:
        """What the model reads for the query beside these documents."""
        query, *rest = self.tokenizer.encode([QUERY, *documents])
        return cut_passages([query], rest, self.form)

    def body(self, documents: list[str]) -> bytes:
        """The request for it."""
        return json.dumps({"model": self.card.id, "query": QUERY, "documents": documents}).encode()

    def documents_of(self, tokens: int, characters: int = 500) -> list[str]:
        """Documents of about this length for which, with the query, the model reads exactly that many tokens."""
        texts = numbered(tokens, characters)
        count = bisect_right(range(1, tokens), tokens, key=lambda count: self.passages(texts[:count]).total_tokens)
        documents = texts[:count]
        documents[-1] += f" {WORD}" * (tokens - self.passages(documents).total_tokens)
        read = self.passages(documents).total_tokens
        if read != tokens:
            raise ValueError(f"documents of {characters} characters make {read:,} tokens, not {tokens:,}")
        return documents


def numbered(count: int, characters: int) -> list[str]:
    """Texts of real words, no two alike."""
    passages = read_corpus().passages
    return [f"{number} {passages[number % len(passages)] * 5}"[:characters] for number in range(count)]
