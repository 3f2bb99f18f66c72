"""What the form for trying a model begins with."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from serve_app.domain.model import ModelFacts


@dataclass(frozen=True, slots=True)
class Example:
    """A query and documents of a kind that people rank. name: in the page's address. language: its code."""

    name: str
    title: str
    language: str
    query: str
    documents: tuple[str, ...]

    @property
    def text(self) -> str:
        """The documents as they are pasted: one a line, or JSON where one has several lines."""
        if any("\n" in each for each in self.documents):
            return json.dumps(self.documents, ensure_ascii=False, indent=1)
        return "\n".join(self.documents)


def _read() -> Mapping[str, Example]:
    text = resources.files("serve_app.web").joinpath("examples.toml").read_text(encoding="utf-8")
    found = tomllib.loads(text)
    return {
        name: Example(name, each["title"], each["language"], each["query"], tuple(each["documents"]))
        for name, each in found.items()
    }


EXAMPLES = _read()


def example_for(facts: ModelFacts) -> Example:
    """The first one in a language that the model reads."""
    reads = {*facts.languages} or {"en"}
    known = (each for each in EXAMPLES.values() if "multilingual" in reads or each.language in reads)
    return next(known, next(iter(EXAMPLES.values())))
