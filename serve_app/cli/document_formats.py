"""The formats that a file of documents may have: how each is recognised, and how it is read."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from serve_app.domain.errors import UserError, shown
from serve_app.domain.request import Document
from serve_app.domain.text_files import BY_SUFFIX, LONGEST_CELL, SEPARATORS, numbered_lines

Format = Literal["auto", "lines", "jsonl", "json", "csv", "tsv"]

TEXT = "text"  # the field that is read where none is named
# Fields by which a table is known that comes without a name.
USUAL = {"text", "document", "documents", "content", "passage", "body", "title"}
LIST = re.compile(r'\[\s*(["{\[\]]|$)')
HEADING = re.compile(r'"?[\w .-]{1,40}"?')


@dataclass(frozen=True, slots=True)
class Content:
    """A file as text. name: for messages. suffix: of its name, with the dot. column: the field that is asked for."""

    name: str
    suffix: str
    text: str
    column: str | None

    def lines(self) -> Iterator[tuple[int, str]]:
        """Those that are not blank, each with its number, from 1."""
        return numbered_lines(self.text)


def format_of(content: Content) -> Format:
    """What a file holds, by its name or else by what it begins with. Raises UserError where it may be two things."""
    first = next((line.strip() for _, line in content.lines()), "")
    if content.suffix in {".json", ".jsonl", ".ndjson"}:
        return "json" if first.startswith("[") else "jsonl"  # each is called by the other's name
    if content.suffix in BY_SUFFIX:
        return BY_SUFFIX[content.suffix]
    if first.startswith("{"):
        return "jsonl"
    if LIST.match(first):
        return "json"
    heads = _headings(first)
    if content.column is not None:
        return "tsv" if "\t" in first else "csv"
    if len(heads) > 1 and USUAL & {head.lower() for head in heads}:
        raise _unsure(content, "csv", f"it begins like a table, with {shown(first)}")
    if first.startswith('"') and isinstance(_parsed(first), str):
        raise _unsure(content, "jsonl", f"it begins with a text in JSON, {shown(first)}")
    return "lines"


def _headings(line: str) -> list[str]:
    """The fields of a table's first line; none where it does not look like one."""
    for separator in SEPARATORS:
        cells = line.split(separator)
        if len(cells) > 1 and all(HEADING.fullmatch(cell.strip()) for cell in cells):
            return [cell.strip().strip('"') for cell in cells]
    return []


def _unsure(content: Content, other: Format, why: str) -> UserError:
    return UserError(
        f"{content.name}: {why}: give --format {other}, or --format lines where each line is a document as it is"
    )


def _lines(content: Content) -> list[Document]:
    _take_no_column(content)
    return [Document(line) for _, line in content.lines()]


def _take_no_column(content: Content) -> None:
    if content.column is not None:
        raise UserError(f"--column {shown(content.column)} names a field, and {content.name} is read as plain lines")


def _jsonl(content: Content) -> list[Document]:
    documents: list[Document] = []
    for number, line in content.lines():
        place = f"{content.name}, line {number}"
        try:
            value = json.loads(line)
        except RecursionError:
            raise UserError(f"{place}: not valid JSON: nested too deeply") from None
        except ValueError as error:
            if not documents and isinstance(_parsed(content.text), dict):
                raise UserError(
                    f"{content.name}: one JSON object over several lines; "
                    "what is read is a list of texts or objects, or one object a line"
                ) from None
            raise UserError(
                f"{place}: not valid JSON: {error}; give --format lines where each line is a document as it is"
            ) from None
        documents.append(_document(place, value, content.column))
    return documents


def _json(content: Content) -> list[Document]:
    try:
        values = json.loads(content.text)
    except RecursionError:
        raise UserError(f"{content.name}: not valid JSON: nested too deeply") from None
    except ValueError as error:
        raise UserError(
            f"{content.name}: not valid JSON: {error}; give --format lines where each line is a document as it is"
        ) from None
    if not isinstance(values, list):
        raise UserError(f"{content.name}: a JSON list of texts or objects is needed; found {shown(values)}")
    return [_document(f"{content.name}, item {place}", value, content.column) for place, value in enumerate(values)]


def _document(place: str, value: Any, column: str | None) -> Document:
    field = column or TEXT
    if isinstance(value, str) and column is None:
        return Document(value)
    if not isinstance(value, dict) or not isinstance(value.get(field), str):
        beside = "" if column else "; --column names another field"
        found = "" if not isinstance(value, dict) else f"; it has {_listed(value)}" if value else "; it has no field"
        raise UserError(f'{place}: an object with a string "{field}" is needed{found}{beside}')
    return Document(value[field], value)


def _listed(names: Mapping[str, Any] | Sequence[str]) -> str:
    return shown(list(names))


def _csv(content: Content) -> list[Document]:
    first = next((line for _, line in content.lines()), "")
    return _table(content, max(SEPARATORS, key=first.count))


def _tsv(content: Content) -> list[Document]:
    return _table(content, "\t")


def _table(content: Content, separator: str) -> list[Document]:
    csv.field_size_limit(LONGEST_CELL)
    rows = csv.reader(io.StringIO(content.text, newline=""), delimiter=separator, strict=True)
    documents: list[Document] = []
    try:
        header = next((row for row in rows if row), [])
        place = _place(content, header)
        for row in rows:
            if not row:
                continue
            if len(row) != len(header):
                raise UserError(
                    f"{content.name}, line {rows.line_num}: {len(row)} fields, where the header has {len(header)}"
                )
            documents.append(Document(row[place], dict(zip(header, row, strict=True))))
    except csv.Error as error:
        raise UserError(f"{content.name}, line {rows.line_num}: not valid CSV: {error}") from None
    return documents


def _place(content: Content, header: list[str]) -> int:
    """Where in a row the text is. Raises UserError where the header does not tell."""
    if content.column is None and len(header) == 1:
        return 0
    if len(set(header)) < len(header):
        raise UserError(f"{content.name}: two columns have one name; the header is {_listed(header)}")
    asked = content.column or TEXT
    if asked in header:
        return header.index(asked)
    lacks = f"{content.name}: no column {shown(asked)}; the header is {_listed(header)}"
    raise UserError(lacks if content.column else f"{lacks}; name the one with the texts by --column")


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


READERS: dict[Format, Callable[[Content], list[Document]]] = {
    "lines": _lines,
    "jsonl": _jsonl,
    "json": _json,
    "csv": _csv,
    "tsv": _tsv,
}
