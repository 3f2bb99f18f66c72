"""A sheet on which somebody judges pairs of query and document by hand."""

import csv
import io
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from serve_app.domain.errors import UserError, shown
from serve_app.domain.spreadsheet import harmless, id_cell, id_of
from serve_app.domain.whole_file import write_whole
from serve_app.evaluation.excerpt import excerpt
from serve_app.evaluation.outcome import Outcome, QueryOutcome

COLUMNS = ("query_id", "document_id", "grade", "query", "document")
PLACES = 5  # first places of either order that are judged
TEXT_CHARACTERS = 1_000  # of a query and of a document
SEED = 2007  # any: the same outcome gives the same sheet

Pair = tuple[str, str]  # ids of query and document


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is on a sheet already. rows: those that somebody worked on, as they are. columns: our own and others."""

    columns: Sequence[str] = COLUMNS
    rows: Sequence[Mapping[str, str]] = ()
    grades: Mapping[Pair, str] = field(default_factory=dict)


def write_sheet(outcome: Outcome, path: Path, pairs: int = 100) -> int:
    """Write a CSV with pairs to judge by hand, at most so many; returns how many are on it without a grade.

    Queries are drawn by chance: those that are judged in part come first, then those whose first five places changed,
    which tell whether reranking helps, and where these are not as many, the others. Of a query all documents of these
    places are on the sheet, from before and after: one that nobody looked at would count as not relevant. They are
    shuffled, so that whoever judges does not see which order had them first. Pairs that are judged are left out.

    Columns are query_id, document_id, grade, query, document; UTF-8 with a byte order mark, which Excel needs. Texts
    are on one line and cut after 1,000 characters. An apostrophe goes before what a spreadsheet would compute, and
    before ids that it would write otherwise; `domain.spreadsheet.id_of` takes it off.

    A sheet that is there already keeps each row with a grade, or with anything in a column of the judge's own. Raises
    UserError where the file is no such sheet, or cannot be written.
    """
    if pairs < 1:
        raise UserError(f"a sheet has at least 1 pair to judge; got {pairs:,}")
    sheet = read_sheet(path) if path.exists() else Sheet()
    chosen = _chosen(outcome, sheet, pairs)
    output = io.StringIO(newline="")
    table = csv.DictWriter(output, sheet.columns, restval="")
    table.writeheader()
    table.writerows(sheet.rows)
    table.writerows(_row(outcome, pair) for pair in chosen)
    try:
        content = output.getvalue().encode("utf-8-sig")
    except UnicodeEncodeError as error:
        raise UserError(f"cannot write {path}: an id has half a surrogate pair: {shown(error.object)}") from None
    write_whole(path, content)
    return len(chosen) + sum(not grade for grade in sheet.grades.values())


def read_sheet(path: Path) -> Sheet:
    """A sheet that somebody may have worked on, also if a spreadsheet put semicolons or tabs between its cells.

    Raises UserError where it is none, or not in UTF-8.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not in UTF-8 (byte {error.start:,}); save it as CSV UTF-8") from None
    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    table = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, restval="", strict=True)
    try:
        columns = list(table.fieldnames or ())
        if missing := [name for name in COLUMNS[:3] if name not in columns]:
            raise UserError(f"{path} is no sheet for judging: it has no column {missing[0]}; name another file")
        rows = [row for row in _rows(table, path) if _is_worked_on(row)]
    except csv.Error as error:
        raise UserError(f"{path}, line {table.reader.line_num:,}: {error}") from None
    grades = {(id_of(row["query_id"]), id_of(row["document_id"])): row["grade"].strip() for row in rows}
    return Sheet([*columns, *(name for name in COLUMNS if name not in columns)], rows, grades)


def _rows(table: "csv.DictReader[str]", path: Path) -> Iterator[dict[str, str]]:
    for row in table:
        if None in row:  # more cells than columns, which would be lost
            raise UserError(
                f"{path}, line {table.line_num:,}: more cells than the {len(table.fieldnames or ())} columns"
            )
        yield row


def _is_worked_on(row: Mapping[str, str]) -> bool:
    return bool(row["grade"].strip()) or any(cell.strip() for name, cell in row.items() if name not in COLUMNS)


def _chosen(outcome: Outcome, sheet: Sheet, pairs: int) -> list[Pair]:
    """Pairs to judge, query by query, the documents of each shuffled."""
    begun = {query for query, _ in sheet.grades} | {
        each for each, grades in outcome.collection.judgements.items() if grades
    }
    queries, chance = list(outcome.queries), random.Random(SEED)
    chance.shuffle(queries)
    queries.sort(key=lambda query: (query.id not in begun, query.before[:PLACES] == query.after[:PLACES]))
    chosen: list[Pair] = []
    for query in queries:
        found = [pair for pair in _pool(query) if not _is_judged(outcome, sheet, pair)]
        if chosen and len(chosen) + len(found) > pairs:
            break  # half a query would be judged wrongly
        chance.shuffle(found)
        chosen += found[:pairs]
    return chosen


def _pool(query: QueryOutcome) -> list[Pair]:
    """The documents of the first places of either order."""
    return [(query.id, document) for document in dict.fromkeys([*query.before[:PLACES], *query.after[:PLACES]])]


def _is_judged(outcome: Outcome, sheet: Sheet, pair: Pair) -> bool:
    query, document = pair
    return pair in sheet.grades or document in outcome.collection.judgements.get(query, {})


def _row(outcome: Outcome, pair: Pair) -> dict[str, str]:
    query, document = pair
    return {
        "query_id": id_cell(query),
        "document_id": id_cell(document),
        "grade": "",
        "query": harmless(excerpt(outcome.collection.queries.get(query, ""), TEXT_CHARACTERS)),
        "document": harmless(excerpt(outcome.collection.documents.get(document, ""), TEXT_CHARACTERS)),
    }
