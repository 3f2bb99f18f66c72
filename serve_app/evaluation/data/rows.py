"""The rows of a data file: JSONL, JSON, CSV, TSV, Parquet or plain lines, also packed by gzip."""

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from serve_app.domain.errors import UserError, shown
from serve_app.domain.text_files import BY_SUFFIX, LONGEST_CELL, SEPARATORS, decoded, numbered_lines, read_bytes
from serve_app.evaluation.faults import Faults

Kind = Literal["jsonl", "json", "csv", "tsv", "parquet", "lines"]

LINE = "text"  # the field that a plain line becomes
KINDS: dict[str, Kind] = {**BY_SUFFIX, ".parquet": "parquet", ".txt": "lines"}
# Names of fields by which a table is known that is called like plain lines.
HEADS = {"_id", "id", "query_id", "query", "question", "document_id", "document", "text", "title"}
PARQUET_BATCH = 1_000  # rows that are Python objects at once
SUFFIX = re.compile(r"(\.[a-z]+?)(\.gz)?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Row:
    """One entry. place: file and line, or item, for messages. number: among all rows, from 1, bad ones counted."""

    place: str
    number: int
    fields: Mapping[str, Any]


def name_of(path: Path) -> str:
    """A path for messages, also where its name is not Unicode."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def kind_of(file: Path) -> Kind | None:
    """What a file holds, by its name; None where the name does not tell."""
    suffix = SUFFIX.search(file.name)
    return KINDS.get(suffix[1].lower()) if suffix else None


def read_rows(files: Sequence[Path], faults: Faults) -> Iterator[Row]:
    """All rows of files, one file after the other.

    A row that is none is set aside. Raises UserError where a file cannot be read, or where it is not known any more
    where its rows begin.
    """
    number = 0
    for file in files:
        before = number
        for row in _rows(file, faults):
            number = before + row.number
            yield replace(row, number=number) if before else row


def content_of(file: Path) -> str:
    """A file as text, unpacked where it is packed by gzip. Raises UserError where it is none."""
    name = name_of(file)
    content = read_bytes(file, name)
    if file.suffix.lower() == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(f"{name}: not packed by gzip, or not all of it is there: {error}") from None
    return decoded(content, name)


def _rows(file: Path, faults: Faults) -> Iterator[Row]:
    name, kind = name_of(file), kind_of(file)
    if kind == "parquet":
        return _parquet(file, name)
    text = content_of(file)
    if kind in {None, "json", "jsonl"}:
        first = text.lstrip()[:1]
        if first == "[" and kind is not None:
            return _json(text, name, faults)
        kind = "jsonl" if kind is not None or first == "{" else "lines"
    if kind == "jsonl":
        return _jsonl(text, name, faults)
    if kind == "lines":
        return _lines(text, name)
    first_line = next((line for _, line in numbered_lines(text)), "")
    return _table(text, name, "\t" if kind == "tsv" else max(SEPARATORS, key=first_line.count), faults)


def _lines(text: str, name: str) -> Iterator[Row]:
    first = next((line.strip() for _, line in numbered_lines(text)), "")
    heads = {head.strip('" ').lower() for head in re.split(r"[,;\t]", first)}
    if len(heads) > 1 and heads & HEADS:
        raise UserError(f"{name}: it begins like a table, with {shown(first)}; call it .csv or .tsv")
    for number, (line, content) in enumerate(numbered_lines(text), 1):
        yield Row(f"{name}, line {line}", number, {LINE: content})


def _jsonl(text: str, name: str, faults: Faults) -> Iterator[Row]:
    for number, (line, content) in enumerate(numbered_lines(text), 1):
        place = f"{name}, line {line}"
        try:
            value = json.loads(content)
        except (ValueError, RecursionError) as error:
            faults.set_aside(f"{place} ({_short(error)})", "not valid JSON")
            continue
        if row := _object(place, number, value, faults):
            yield row


def _json(text: str, name: str, faults: Faults) -> Iterator[Row]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{name}: not valid JSON: {_short(error)}") from None
    for number, value in enumerate(values, 1):
        if row := _object(f"{name}, item {number - 1}", number, value, faults):
            yield row


def _object(place: str, number: int, value: Any, faults: Faults) -> Row | None:
    if isinstance(value, dict):
        return Row(place, number, value)
    faults.set_aside(f"{place} ({shown(value)})", "no object with fields")
    return None


def _short(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def _table(text: str, name: str, separator: str, faults: Faults) -> Iterator[Row]:
    csv.field_size_limit(LONGEST_CELL)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: list[str] = []
    number, line = 0, 1
    try:
        for cells in rows:
            place, line = f"{name}, line {line}", rows.line_num + 1
            if not cells:
                continue
            if not header:
                header = _header(cells, name)
                continue
            number += 1
            if len(cells) != len(header):
                found = f"{place} ({len(cells)} fields, the header has {len(header)})"
                faults.set_aside(found, "another number of fields than the header has")
                continue
            yield Row(place, number, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise UserError(f"{name}: not valid CSV in the row that begins in line {line}: {error}") from None


def _header(cells: list[str], name: str) -> list[str]:
    header = [cell.strip() for cell in cells]
    if len(set(header)) < len(header):
        raise UserError(f"{name}: two columns have one name; the header is {shown(header)}")
    return header


def _parquet(file: Path, name: str) -> Iterator[Row]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UserError(f"{name}: Parquet is read by pyarrow: pip install 'rayrank[data]'") from None
    number = 0
    try:
        with pyarrow.parquet.ParquetFile(file) as table:
            for batch in table.iter_batches(PARQUET_BATCH):
                for fields in batch.to_pylist():
                    number += 1
                    yield Row(f"{name}, row {number}", number, fields)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{name}: not read as Parquet after row {number}: {reason}") from None
