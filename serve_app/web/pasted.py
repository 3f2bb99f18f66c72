"""Documents as a person pastes them: one a line, a CSV with a heading, or JSON."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from serve_app.domain.errors import ServiceError, shown

Form = Literal["lines", "csv", "json"]
FORMS: Mapping[str, str] = {"": "detect", "lines": "one a line", "csv": "CSV", "json": "JSON"}
INSTRUCTIONS = ("instruction", "instruct")
TEXT_COLUMNS = ("text", "document", "passage", "content", "body")
COLUMN = re.compile(r"[A-Za-z0-9_-]{1,40}")  # a name that makes a first line a heading, unlike a part of a sentence
HALF = re.compile(r"[\ud800-\udfff]")
LARGEST_CELL = 1 << 24  # characters


@dataclass(frozen=True, slots=True)
class Pasted:
    """Documents that were found in a text. query, instruction: that came along with them, if any did."""

    texts: Sequence[str]
    form: Form
    query: str | None = None
    instruction: str | None = None


def documents_in(text: str, form: str = "") -> Pasted:
    """The documents of a text. form: how it is written; "" to find out.

    Raises ServiceError invalid_request, which says what is wrong and where.
    """
    text = text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")  # a file may begin with it
    bare = text.strip()
    if form == "json":
        return _of_json(text)
    if form == "csv":
        return _of_csv(text)
    if not form and bare.startswith(("[", "{")):
        try:
            return _of_json(text)
        except ServiceError as error:
            if "\n" in bare and bare.endswith(("]", "}")):  # else it is a line that begins like JSON
                hint = f'{error.message}; if each line is a document, choose "{FORMS["lines"]}"'
                raise _invalid(hint) from None
    if not form and _is_csv(text):
        return _of_csv(text)
    # Not splitlines(): U+2028 and its like may stand within a document.
    lines = [line.strip() for line in text.replace("\r\n", "\n").split("\n")]
    return Pasted([line for line in lines if line], "lines")


def _of_json(text: str) -> Pasted:
    """A list of documents, an object that has one (a request's body), or an object a line."""
    query, instruction, place = None, None, "JSON"
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        found = _of_json_lines(text)
        if found is None:
            raise _invalid(f"the documents are not JSON: {error}") from None
    if isinstance(found, dict) and isinstance(found.get("documents"), list):
        query, instruction = _first(found, "query"), _first(found, *INSTRUCTIONS)
        found, place = found["documents"], "documents"
    if not isinstance(found, list):
        found = [found]
    return Pasted([_text(each, f"{place}[{index}]") for index, each in enumerate(found)], "json", query, instruction)


def _first(found: Mapping[str, Any], *names: str) -> str | None:
    return next((_whole(found[name]) for name in names if isinstance(found.get(name), str)), None)


def _of_json_lines(text: str) -> list[Any] | None:
    try:
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    except (ValueError, RecursionError):
        return None


def _text(document: Any, place: str) -> str:
    if isinstance(document, str):
        return _whole(document)
    if isinstance(document, dict):
        for name in TEXT_COLUMNS:
            if isinstance(document.get(name), str):
                return _whole(document[name])
    raise _invalid(f'{place} must be a text, or an object with a "text"; got {shown(document)}')


def _whole(text: str) -> str:
    """A text without halves of surrogate pairs, which JSON can spell and no tokenizer reads."""
    return HALF.sub("\N{REPLACEMENT CHARACTER}", text)


def _is_csv(text: str) -> bool:
    """Whether the first line is a heading that names a column of texts, and the other ones have what it names."""
    rows = _rows(text)
    try:
        heading = next(rows, [])
        if len(heading) < 2 or not {name.lower() for name in heading} & set(TEXT_COLUMNS):
            return False
        if not all(map(COLUMN.fullmatch, (heading[0] or "index", *heading[1:]))):  # pandas leaves that name out
            return False
        others = [len(row) for row in rows]
    except csv.Error:
        return False
    return bool(others) and set(others) == {len(heading)}


def _rows(text: str) -> Iterator[list[str]]:
    """The rows of a CSV that are not empty. Iterating raises csv.Error."""
    csv.field_size_limit(LARGEST_CELL)
    return (row for row in csv.reader(io.StringIO(text.strip()), strict=True) if row)


def _of_csv(text: str) -> Pasted:
    """The column that is called text, or like it; else the only one."""
    try:
        rows = list(_rows(text))
    except csv.Error as error:
        raise _invalid(f"the documents are not CSV: {error}") from None
    if not rows:
        return Pasted([], "csv")
    names = [name.strip().lower() for name in rows[0]]
    column = next((names.index(name) for name in TEXT_COLUMNS if name in names), None)
    if column is None and len(names) > 1:
        wanted = ", ".join(TEXT_COLUMNS)
        raise _invalid(f"the CSV's first line must name a column {wanted}; it has {', '.join(map(shown, rows[0]))}")
    body = rows if column is None else rows[1:]
    return Pasted([row[column or 0] for row in body if len(row) > (column or 0)], "csv")


def _invalid(message: str) -> ServiceError:
    return ServiceError("invalid_request", message, "documents")
