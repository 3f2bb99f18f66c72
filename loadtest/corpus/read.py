"""The corpus: queries with the sentences that answer them, and passages."""

import json
from dataclasses import dataclass
from pathlib import Path

from serve_app.evaluation.wordnet.definitions import GLOSSES

PASSAGES = Path(__file__).parent / "passages.jsonl"


@dataclass(frozen=True, slots=True)
class Gloss:
    """A query, the sentence that answers it and sentences that only look like an answer."""

    query: str
    relevant: str
    hard_negatives: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Corpus:
    """What requests are drawn from."""

    glosses: tuple[Gloss, ...]
    passages: tuple[str, ...]


def read_corpus() -> Corpus:
    """Read the passages that lie beside this file, and the glosses that the product has, too."""
    glosses, passages = (
        [json.loads(line) for line in path.read_text("utf-8").splitlines()] for path in (GLOSSES, PASSAGES)
    )
    return Corpus(
        glosses=tuple(
            Gloss(line["query"], line["relevant"], hard_negatives=tuple(line["hard_negatives"])) for line in glosses
        ),
        passages=tuple(line["text"] for line in passages),
    )
