"""Files that people give as text: their bytes as text, their lines, or one line that says why they are none."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from serve_app.domain.errors import UserError

# What files of other kinds begin with.
OTHERS = {
    b"\xff\xfe": "UTF-16; make it UTF-8: iconv -f UTF-16 -t UTF-8",
    b"\xfe\xff": "UTF-16; make it UTF-8: iconv -f UTF-16 -t UTF-8",
    b"\x1f\x8b": "packed by gzip; unpack it: gunzip",
    b"\x28\xb5\x2f\xfd": "packed by Zstandard; unpack it: unzstd",
    b"BZh": "packed by bzip2; unpack it: bunzip2",
    b"PK\x03\x04": "a ZIP file, as those of Word and Excel are; save it as text or CSV",
    b"%PDF-": "a PDF; save its text",
    b"PAR1": "a Parquet file; write it as JSONL",
    b"SQLite format 3\0": "a SQLite database; write what you need of it as CSV",
}

# What files hold by their suffixes.
BY_SUFFIX: dict[str, Literal["csv", "tsv", "jsonl", "json"]] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
}
SEPARATORS = ",;\t"  # of a table's cells
LONGEST_CELL = 2**31 - 1


def read_bytes(file: Path, name: str) -> bytes:
    """All of a file. name: for messages. Raises UserError where it cannot be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise UserError(f"{name}: {error.strerror}") from None


def decoded(content: bytes, name: str) -> str:
    """A file's content as text, without a byte order mark. name: for messages.

    Raises UserError where it is not text in UTF-8, with the line and byte, or with what it seems to be.
    """
    for beginning, kind in OTHERS.items():
        if content.startswith(beginning):
            raise UserError(f"{name}: not text in UTF-8: it is {kind}")
    if (place := content.find(b"\0")) >= 0:
        line = _line(content, place)
        raise UserError(
            f"{name}, line {line}: no text in UTF-8 has a NUL, as at byte {place}; is it UTF-16, or binary?"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        start = error.start + len(content) - len(error.object)  # without the byte order mark
        raise UserError(
            f"{name}, line {_line(content, start)}: not UTF-8: {error.reason} at byte {start} "
            f"(0x{content[start]:02x}); make it UTF-8, such as by iconv -f LATIN1 -t UTF-8"
        ) from None


def numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    """Those lines that are not blank, each with its number, from 1.

    Not by splitlines(): U+2028 and its like may stand within a document, and within a JSON string.
    """
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line.removesuffix("\r")


def require_unicode(text: str, name: str) -> None:
    """Raise UserError where a text has half of a surrogate pair: no tokenizer reads that."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(f"{name} is not Unicode: half of a surrogate pair at character {error.start}") from None


def _line(content: bytes, place: int) -> int:
    return content.count(b"\n", 0, place) + 1
