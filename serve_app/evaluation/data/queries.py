"""Queries of a file: JSONL, JSON, CSV, TSV, Parquet, or one a line."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serve_app.domain.errors import shown
from serve_app.evaluation.data.columns import Columns
from serve_app.evaluation.data.gathering import Gathering, is_blank
from serve_app.evaluation.data.rows import LINE, Row, name_of, read_rows

ID = ("query_id", "_id", "id", "qid")
TEXT = ("query", "question", "text")
RIGHT_DOCUMENT = ("document_id", "document", "relevant")  # the id of the document that answers it, or a list of ids


def add_queries(gathering: Gathering, files: Sequence[Path], columns: Columns) -> None:
    """Take the queries of files, and the right documents that they name, with grade 1.

    A query without an id is called by its place, from 1, as Cranfield's are; blank lines do not count. Then rows of
    one text are one query. The documents are there already, where queries name some. Raises UserError where no query
    is usable, or all that they name is not there.
    """
    reader = _Reader(gathering, columns)
    before = len(gathering.queries)
    for row in read_rows(files, gathering.faults):
        reader.add(row)
    gathering.require(len(gathering.queries) - before, "query", name_of(files[0]))
    gathering.require_match()


@dataclass(slots=True)
class _Reader:
    gathering: Gathering
    columns: Columns
    by_text: dict[str, str] = field(default_factory=dict)  # ids of the queries that came without one

    def add(self, row: Row) -> None:
        text = self.columns.value(row.fields, "query", TEXT)
        if text is None:
            reason = "no query: a field query, question or text is needed, or --column query=NAME"
            self.gathering.faults.set_aside(f"{row.place} ({shown(list(row.fields))})", reason)
            return
        right = self._right(row)
        id_field = self.columns.find(row.fields, "query_id", ID)
        if id_field is not None:
            query = self.gathering.add_query(row.place, row.fields[id_field], text)
        else:
            query = self._by_place(row, text, names_documents=bool(right))
        if query is not None:
            for document in right:
                self.gathering.judge(row.place, query, document, 1)

    def _by_place(self, row: Row, text: Any, *, names_documents: bool) -> str | None:
        if isinstance(text, str) and text in self.by_text:
            if not names_documents:
                self.gathering.faults.set_aside(row.place, "the query was there before; it has no id of its own")
            return self.by_text[text]
        query = self.gathering.add_query(row.place, str(row.number), text)
        if query is not None:
            self.by_text[text] = query
        return query

    def _right(self, row: Row) -> list[Any]:
        """Documents that the row names as right."""
        field_name = self.columns.find(row.fields, "document_id", RIGHT_DOCUMENT)
        if field_name is None or row.fields.keys() == {LINE}:
            return []
        value = row.fields[field_name]
        return [each for each in (value if isinstance(value, list) else [value]) if not is_blank(each)]
