"""A collection while it is read: what each row adds, and what is wrong with it."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from serve_app.domain.errors import UserError, shown
from serve_app.evaluation.collection import Collection
from serve_app.evaluation.faults import SHOWN, Faults

WHOLE = re.compile(r"[+-]?\d{1,9}(\.0+)?")
HIGHEST_GRADE = 1_000  # trec_eval makes a table of as many rows


@dataclass(slots=True)
class Gathering:
    """Queries, documents and judgements so far; documents and queries come before the judgements that name them.

    named: queries that a judgement names, whether it could be used or not. strangers: the first judgement that names
    what is not there.
    """

    name: str
    faults: Faults
    queries: dict[str, str] = field(default_factory=dict)
    documents: dict[str, str] = field(default_factory=dict)
    judgements: dict[str, dict[str, int]] = field(default_factory=dict)
    candidates: dict[str, list[str]] | None = None
    first_stage: str = ""
    fully_judged: bool = False
    named: set[str] = field(default_factory=set)
    stranger: str = ""

    def add_query(self, place: str, identifier: Any, text: Any) -> str | None:
        """Take a query; its id, or None where it is set aside."""
        if (query := self.id_of(place, identifier, "query")) is None or not self.is_text(place, text, "query"):
            return None
        if not text.strip():
            self.faults.set_aside(place, "the query is empty")
            return None
        return query if self._is_new(place, query, text, self.queries, "query") else None

    def add_document(self, place: str, identifier: Any, text: Any) -> str | None:
        """Take a document, also one without a text; its id, or None where it is set aside."""
        document = self.id_of(place, identifier, "document")
        if document is None or not self.is_text(place, text, "document"):
            return None
        return document if self._is_new(place, document, text, self.documents, "document") else None

    def judge(self, place: str, query: Any, document: Any, grade: Any) -> None:
        """Take a judgement of a query and a document that are there, both by their ids."""
        query_id, document_id = self.id_of(place, query, "query"), self.id_of(place, document, "document")
        if query_id is None or document_id is None:
            return
        self.named.add(query_id)
        value = whole(grade)
        if value is None or abs(value) > HIGHEST_GRADE:
            reason = f"the grade is no whole number from -{HIGHEST_GRADE:,} to {HIGHEST_GRADE:,}"
            self.faults.set_aside(f"{place} ({shown(grade)})", reason)
            return
        if not self.knows(place, query_id, document_id):
            return
        judged = self.judgements.setdefault(query_id, {})
        if document_id in judged:
            same = judged[document_id] == value
            pair = f"{place} ({shown(query_id)}, {shown(document_id)})"
            self.faults.set_aside(
                pair, "judged before, alike" if same else "judged before with another grade, which counts"
            )
            return
        judged[document_id] = value

    def knows(self, place: str, query: str, document: str) -> bool:
        """Whether both are there; where one is not, its row is set aside."""
        if query not in self.queries:
            self.stranger = self.stranger or f"{place} names the query {shown(query)}"
            self.faults.set_aside(f"{place} ({shown(query)})", "names a query that is not there")
            return False
        if document not in self.documents:
            self.stranger = self.stranger or f"{place} names the document {shown(document)}"
            self.faults.set_aside(f"{place} ({shown(document)})", "names a document that is not there")
            return False
        return True

    def require_match(self) -> None:
        """Raise UserError where no judgement could be used, because all of them name what is not there."""
        if self.judgements or not self.stranger:
            return
        here = f"there are queries such as {shown(next(iter(self.queries)))}"
        raise UserError(f"{self.stranger}; {here} and documents such as {shown(next(iter(self.documents)))}")

    def id_of(self, place: str, value: Any, what: str) -> str | None:
        """An id as a text; None where it is none, and its row is set aside."""
        if isinstance(value, int) and not isinstance(value, bool):
            value = _spelt(value)
        if not isinstance(value, str) or not value.strip():
            self.faults.set_aside(f"{place} ({shown(value)})", f"the {what} has no id")
            return None
        if "\0" in value or not is_unicode(value):
            self.faults.set_aside(f"{place} ({shown(value)})", f"the {what}'s id has a NUL or half of a surrogate pair")
            return None
        return value

    def is_text(self, place: str, value: Any, what: str) -> bool:
        """Whether a value is a text that a model reads; where it is none, its row is set aside."""
        if not isinstance(value, str):
            self.faults.set_aside(f"{place} ({shown(value)})", f"the {what} has no text")
            return False
        if not is_unicode(value):
            self.faults.set_aside(place, f"the {what} is not Unicode: half of a surrogate pair")
            return False
        return True

    def _is_new(self, place: str, identifier: str, text: str, there: dict[str, str], what: str) -> bool:
        if identifier not in there:
            there[identifier] = text
            return True
        how = "the same text" if there[identifier] == text else "another text, which counts"
        self.faults.set_aside(f"{place} ({shown(identifier)})", f"the {what}'s id was there before, with {how}")
        return False

    def has_all_judged(self, candidates: Mapping[str, Sequence[str]]) -> bool:
        """Whether each candidate has a judgement."""
        return all(
            document in self.judgements.get(query, {}) for query, found in candidates.items() for document in found
        )

    def require(self, there: int, what: str, source: str) -> None:
        """Raise UserError where nothing usable came of a source. there: how much did."""
        if not there:
            said = next(iter(self.faults.lines), "")
            raise UserError(f"{source}: no {what} in it" + (f"; {said}" if said else ""))

    def drop_other_splits(self) -> None:
        """Leave out the queries that no judgement names: they belong to another split."""
        others = [query for query in self.queries if query not in self.named]
        for query in others:
            del self.queries[query]
        if others:
            self.faults.note(f"queries of other splits, which no judgement names: {len(others):,}; left out")

    def collection(self) -> Collection:
        """All of it, with what there is to remark on it. Raises UserError where nothing is left."""
        self.require(len(self.queries), "query", self.name)
        self.require(len(self.documents), "document", self.name)
        if self.candidates is not None:
            self.candidates = {query: self.candidates.get(query, []) for query in self.queries}
        self._remark()
        return Collection(
            self.name,
            self.queries,
            self.documents,
            self.judgements,
            self.candidates,
            self.first_stage,
            self.fully_judged,
        )

    def _remark(self) -> None:
        """Say what is sound row by row and must be known of the whole."""
        judged = {query: grades for query, grades in self.judgements.items() if grades}
        without_text = [document for document, text in self.documents.items() if not text.strip()]
        if without_text:
            kept = "they are ranked all the same"
            self.faults.note(f"documents without a text: {len(without_text):,} ({some(without_text)}); {kept}")
        if judged:
            unjudged = [query for query in self.queries if query not in judged]
            self._remark_on(unjudged, "queries without a judgement", "they count in no mean")
            no_positive = [query for query, grades in judged.items() if max(grades.values()) <= 0]
            self._remark_on(no_positive, "queries without a relevant document", "they count in no mean")
        if self.candidates is None:
            return
        nothing = [query for query, documents in self.candidates.items() if not documents]
        self._remark_on(nothing, "queries without candidates", "nothing is ranked for them")
        only = [
            query
            for query, documents in self.candidates.items()
            if documents and all(judged.get(query, {}).get(document, 0) > 0 for document in documents)
        ]
        if only:
            self.faults.note(f"queries with relevant candidates only: {len(only):,} ({some(only)})")

    def _remark_on(self, ids: Sequence[str], what: str, consequence: str) -> None:
        if ids:
            self.faults.remark(f"{what}: {len(ids):,} ({some(ids)}); {consequence}")


def some(ids: Sequence[str]) -> str:
    """A few of many, for a reader."""
    more = f" and {len(ids) - SHOWN:,} more" if len(ids) > SHOWN else ""
    return ", ".join(shown(identifier) for identifier in ids[:SHOWN]) + more


def is_unicode(text: str) -> bool:
    """Whether a text has no half of a surrogate pair, which no tokenizer reads."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def is_blank(value: Any) -> bool:
    """Whether a cell says nothing: missing, an empty text, or the NaN that tables have for a gap."""
    return (
        value is None
        or (isinstance(value, str) and not value.strip())
        or (isinstance(value, float) and math.isnan(value))
    )


def whole(value: Any) -> int | None:
    """A whole number, also as 1.0 and "1", as tables write it; None where it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str) and value.isascii() and WHOLE.fullmatch(value.strip()):
        return int(float(value))
    return None


def _spelt(number: int) -> str | None:
    try:
        return str(number)
    except ValueError:  # of more digits than Python spells
        return None
