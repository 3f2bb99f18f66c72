"""Judgements of a file: TREC's four columns, or a table with a header, as BEIR's, mteb's and a judging sheet."""

import re
from collections.abc import Container, Sequence
from pathlib import Path

from serve_app.domain.errors import UserError, shown
from serve_app.domain.spreadsheet import id_of
from serve_app.domain.text_files import numbered_lines
from serve_app.evaluation.data.columns import Columns
from serve_app.evaluation.data.gathering import Gathering, is_blank
from serve_app.evaluation.data.rows import Row, content_of, kind_of, name_of, read_rows

QUERY_ID = ("query_id", "query-id", "qid")
DOCUMENT_ID = ("document_id", "corpus-id", "doc_id", "docid", "docno")
GRADE = ("grade", "score", "relevance", "label")
TREC_COLUMNS = 4  # query, iteration (not read), document, grade


def add_judgements(gathering: Gathering, files: Sequence[Path], columns: Columns) -> None:
    """Take the judgements of files; queries and documents are there already. A blank grade is not judged yet.

    Raises UserError where there are none, or where all of them name what is not there.
    """
    rows = unjudged = 0
    for file in files:
        if _is_trec(file, columns):
            rows += _add_trec(gathering, file)
            continue
        for row in read_rows([file], gathering.faults):
            rows += 1
            unjudged += not _add(gathering, row, columns)
    source = name_of(files[0])
    gathering.require_match()
    if rows and unjudged == rows:
        gathering.faults.note(f"{source}: none of its {rows:,} pairs has a grade yet")
        return
    gathering.require(len(gathering.judgements), "judgement", source)
    if unjudged:
        gathering.faults.note(f"{source}: pairs without a grade yet: {unjudged:,}")


def _add(gathering: Gathering, row: Row, columns: Columns) -> bool:
    """Take a row; False where it has no grade yet."""
    fields = [
        columns.find(row.fields, "query_id", QUERY_ID),
        columns.find(row.fields, "document_id", DOCUMENT_ID),
        columns.find(row.fields, "grade", GRADE),
    ]
    query, document, grade = (None if name is None else row.fields[name] for name in fields)
    if None in fields:
        reason = "fields query_id, document_id and grade are needed (or query-id, corpus-id and score)"
        gathering.faults.set_aside(f"{row.place} ({shown(list(row.fields))})", reason)
        return True
    if is_blank(grade):
        return False
    query, document = _id(query, gathering.queries), _id(document, gathering.documents)
    gathering.judge(row.place, query, document, grade)
    return True


def _id(cell: object, known: Container[str]) -> object:
    """An id, without the apostrophe by which a sheet keeps it from being rewritten."""
    marked = isinstance(cell, str) and cell not in known and id_of(cell) in known
    return id_of(str(cell)) if marked else cell


def _is_trec(file: Path, columns: Columns) -> bool:
    """Whether a file has TREC's columns, and not a header. Raises UserError where it has neither."""
    if kind_of(file) in {"jsonl", "json", "parquet"}:
        return False
    line = next((line for _, line in numbered_lines(content_of(file))), "")
    if line.startswith("{"):
        return False
    heads = {cell.strip().strip('"') for cell in re.split(r"[,;\t]", line)}
    if columns.find(heads, "query_id", QUERY_ID) and columns.find(heads, "document_id", DOCUMENT_ID):
        if kind_of(file) not in {"csv", "tsv"}:
            raise UserError(f"{name_of(file)}: a table; call it .csv or .tsv")
        return False
    if line and len(line.split()) != TREC_COLUMNS:
        raise UserError(
            f"{name_of(file)}: its first line, {shown(line)}, is neither a header with query_id, document_id and grade "
            "(or query-id, corpus-id and score) nor TREC's four columns: query, 0, document, grade"
        )
    return True


def _add_trec(gathering: Gathering, file: Path) -> int:
    rows = 0
    for number, line in numbered_lines(content_of(file)):
        rows += 1
        place, cells = f"{name_of(file)}, line {number}", line.split()
        if len(cells) != TREC_COLUMNS:
            gathering.faults.set_aside(f"{place} ({len(cells)})", f"not {TREC_COLUMNS} columns")
            continue
        gathering.judge(place, cells[0], cells[2], cells[3])
    return rows
