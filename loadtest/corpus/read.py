"""The corpus: queries with the sentences that answer them, and passages."""

import json
from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).parent


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


def read_corpus(folder: Path = CORPUS) -> Corpus:
    """Read the corpus that lies beside this file."""
    glosses = [json.loads(line) for line in (folder / "glosses.jsonl").read_text("utf-8").splitlines()]
    passages = [json.loads(line) for line in (folder / "passages.jsonl").read_text("utf-8").splitlines()]
    return Corpus(
        glosses=tuple(
            Gloss(line["query"], line["relevant"], hard_negatives=tuple(line["hard_negatives"])) for line in glosses
        ),
        passages=tuple(line["text"] for line in passages),
    )
