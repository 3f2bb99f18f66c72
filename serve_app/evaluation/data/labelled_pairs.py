"""Labelled pairs: a query, a document and a grade in each row; also a judging sheet that was filled in."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Literal

from serve_app.evaluation.data.columns import Columns, Role
from serve_app.evaluation.data.gathering import Gathering, is_blank
from serve_app.evaluation.data.rows import Row

QUERY = ("query", "question")
DOCUMENT = ("document", "text", "passage")
GRADE = ("grade", "label", "relevance")
QUERY_ID = ("query_id", "query-id", "qid")
DOCUMENT_ID = ("document_id", "corpus-id", "doc_id", "docid")


def has_fields(fields: Collection[str], columns: Columns) -> bool:
    """Whether a row with these fields is of this layout."""
    return None not in {
        columns.find(fields, "query", QUERY),
        columns.find(fields, "document", DOCUMENT),
        columns.find(fields, "grade", GRADE),
    }


def add_rows(gathering: Gathering, rows: Iterable[Row], columns: Columns) -> None:
    """Take rows; the candidates of a query are the documents that it comes with.

    Rows of one text are one query, and one document, unless ids tell them apart. Texts without ids are called q1, q2…
    and d1, d2…, in their order. A blank grade is not judged yet. Raises UserError where no row is usable.
    """
    queries = _Texts("query", "query_id", QUERY, QUERY_ID, gathering.queries)
    documents = _Texts("document", "document_id", DOCUMENT, DOCUMENT_ID, gathering.documents)
    candidates: dict[str, dict[str, None]] = {}
    blank = 0
    for row in rows:
        query = _identified(gathering, row, queries, columns)
        document = _identified(gathering, row, documents, columns) if query is not None else None
        if query is None or document is None:
            continue
        candidates.setdefault(query, {})[document] = None
        grade = columns.value(row.fields, "grade", GRADE)
        if is_blank(grade):
            blank += 1
        else:
            gathering.judge(row.place, query, document, grade)
    gathering.require(len(candidates), "row with query, document and grade", gathering.name)
    if blank:
        gathering.faults.note(f"{gathering.name}: pairs without a grade yet: {blank:,}")
    gathering.candidates = {query: list(found) for query, found in candidates.items()}
    gathering.fully_judged = gathering.has_all_judged(gathering.candidates)


@dataclass(slots=True)
class _Texts:
    """Texts that were there before. there: by id. by_text: the ids that were given here."""

    role: Literal["query", "document"]
    id_role: Role
    text_names: tuple[str, ...]
    id_names: tuple[str, ...]
    there: dict[str, str]
    by_text: dict[str, str] = field(default_factory=dict)


def _identified(gathering: Gathering, row: Row, texts: _Texts, columns: Columns) -> str | None:
    """The id of a row's query or document, which is new or was there before with the same text."""
    text = columns.value(row.fields, texts.role, texts.text_names)
    id_field = columns.find(row.fields, texts.id_role, texts.id_names)
    if id_field is None:
        if isinstance(text, str) and text in texts.by_text:
            return texts.by_text[text]
        identifier: str | None = f"{texts.role[0]}{len(texts.by_text) + 1}"
    else:
        identifier = gathering.id_of(row.place, row.fields[id_field], texts.role)
        if identifier is None or (identifier in texts.there and texts.there[identifier] == text):
            return identifier
    added = (gathering.add_query if texts.role == "query" else gathering.add_document)(row.place, identifier, text)
    if added is not None and id_field is None:
        texts.by_text[text] = added
    return added
