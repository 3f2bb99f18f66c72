"""Scores that are kept: no measure costs a second scoring, and a run that was stopped goes on.

A file for each scorer, named by its model and fingerprint; a line of JSON for each asking, appended whole. Texts are
their digests, so that ids do not matter and data sets share what they have in common. Scores are float32 in as many
digits as it takes.
"""

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import numpy as np

from serve_app.domain.errors import UserError, shown
from serve_app.domain.float32 import shortest_each
from serve_app.evaluation.scorer import QueryScores, ScorerFacts

DIGEST_BYTES = 12
COUNTS = ("tokens", "documents", "nano_dollars")


class KeptScores:
    """The kept scores of one scorer. Lines that other processes add meanwhile are seen when it is next opened."""

    def __init__(self, path: Path) -> None:
        """Read what is there. Raises UserError, naming file and line, where that is something else."""
        self.path = path
        self._places: dict[str, list[tuple[int, int]]] = {}  # query → where its lines are: offset, bytes
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._locked() as file:
                _drop_torn_line(file)
                self._read(file)
        except OSError as error:
            raise _failed(path, error) from None

    @classmethod
    def open(cls, folder: Path, facts: ScorerFacts) -> Self:
        """Those of a scorer. Raises UserError where the folder cannot be written."""
        name = re.sub(r"[^\w.-]+", "-", facts.model.rpartition("/")[2])[:80]
        return cls(folder / f"{name}-{facts.fingerprint}.jsonl")

    def missing(self, query: str, documents: Sequence[str]) -> list[str]:
        """The texts, once each and in their order, that have no score yet for the query."""
        known = self._known(query)
        return [text for text in dict.fromkeys(documents) if _digest(text) not in known]

    def scores(self, query: str, documents: Sequence[str]) -> list[float]:
        """The score of each text, float32. Raises KeyError where one is missing."""
        known = self._known(query)
        return [float(np.float32(known[_digest(text)])) for text in documents]

    def add(self, query: str, documents: Sequence[str], answer: QueryScores, *, alone: bool = False) -> None:
        """Keep an answer. alone: nothing else was asked meanwhile, so that its seconds are those of a quiet machine.

        Raises UserError where it cannot be written; what was kept before stays whole.
        """
        scores = shortest_each(answer.scores).tolist()
        line = {
            "query": _digest(query),
            "scores": {_digest(text): score for text, score in zip(documents, scores, strict=True)},
            "seconds": answer.seconds,
            **{name: getattr(answer, name) for name in COUNTS},
        }
        written = json.dumps(line | ({"alone": True} if alone else {}), separators=(",", ":"), allow_nan=False)
        try:
            place = self._append(written.encode() + b"\n")
        except OSError as error:
            raise _failed(self.path, error) from None
        self._places.setdefault(line["query"], []).append(place)

    def alone(self, query: str, documents: Sequence[str]) -> QueryScores | None:
        """An answer to exactly these documents that was asked alone; None where there is none."""
        wanted = [_digest(text) for text in documents]
        for line in self._lines(query):
            if line.get("alone") and list(line["scores"]) == list(dict.fromkeys(wanted)):
                scores = [float(np.float32(line["scores"][text])) for text in wanted]
                return QueryScores(scores, line["seconds"], *(line[name] for name in COUNTS))
        return None

    def spent(self, queries: Sequence[str]) -> QueryScores:
        """What all askings of these queries took together, without their scores."""
        lines = [line for query in dict.fromkeys(queries) for line in self._lines(query)]
        return QueryScores(
            [], sum(line["seconds"] for line in lines), *(sum(line[name] for line in lines) for name in COUNTS)
        )

    def _known(self, query: str) -> dict[str, float]:
        known: dict[str, float] = {}
        for line in self._lines(query):
            known = line["scores"] | known  # the first score of a text stays
        return known

    def _lines(self, query: str) -> list[dict[str, Any]]:
        places = self._places.get(_digest(query))
        if not places:
            return []
        try:
            with self.path.open("rb") as file:
                return [_line(os.pread(file.fileno(), size, offset), str(self.path)) for offset, size in places]
        except OSError as error:
            raise _failed(self.path, error) from None

    def _read(self, file: int) -> None:
        offset = 0
        with open(os.dup(file), "rb") as lines:
            lines.seek(0)
            for number, written in enumerate(lines, 1):
                line = _line(written, f"{self.path}, line {number:,}")
                self._places.setdefault(line["query"], []).append((offset, len(written)))
                offset += len(written)

    def _append(self, line: bytes) -> tuple[int, int]:
        with self._locked() as file:
            _drop_torn_line(file)
            begins = os.lseek(file, 0, os.SEEK_END)
            try:
                written = 0
                while written < len(line):
                    written += os.write(file, line[written:])
            except OSError:
                with suppress(OSError):
                    os.ftruncate(file, begins)
                raise
        return begins, len(line)

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The file, which no other process changes meanwhile."""
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        finally:
            os.close(file)


def _drop_torn_line(file: int) -> None:
    """Cut off what follows the last whole line: whoever wrote it was killed, or had no room."""
    end = size = os.lseek(file, 0, os.SEEK_END)
    while end and (block := os.pread(file, min(end, 1 << 16), max(end - (1 << 16), 0))):
        if (newline := block.rfind(b"\n")) >= 0:
            end += newline + 1 - len(block)
            break
        end -= len(block)
    if end < size:
        os.ftruncate(file, end)


def _line(written: bytes, where: str) -> dict[str, Any]:
    """A line that was kept. Raises UserError where it is something else."""
    try:
        line = json.loads(written)
        whole = (
            isinstance(line, dict)
            and isinstance(line["query"], str)
            and _numbers(line["scores"].values())
            and _numbers([line["seconds"]])
            and all(type(line[name]) is int for name in COUNTS)
        )
    except (ValueError, KeyError, AttributeError, RecursionError):
        whole = False
    if not whole:
        raise UserError(f"{where}: no kept scores: {shown(written.decode(errors='replace'))}; take the file away")
    kept: dict[str, Any] = line
    return kept


def _numbers(values: Any) -> bool:
    return all(isinstance(value, int | float) and np.isfinite(value) for value in values)


def _failed(path: Path, error: OSError) -> UserError:
    return UserError(f"{path}: scores cannot be kept there: {error.strerror or error}")


def _digest(text: str) -> str:
    # Half of a surrogate pair has no UTF-8, and is a text all the same.
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).hexdigest()
