"""A file of documents, as `rayrank rank` reads one: its bytes, its format, its documents."""

import sys
from pathlib import Path

from serve_app.cli.document_formats import READERS, Content, Format, format_of
from serve_app.domain.errors import UserError
from serve_app.domain.request import Document

STANDARD_INPUT = "-"
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


def read_documents(file: Path, form: Format = "auto", column: str | None = None) -> list[Document]:
    """The documents of a file, in its order. Those of a table or of JSON keep what else is said of them.

    form: what it holds; recognised where it is auto. column: the field with the text, where there are several.
    Raises UserError naming file and line; also where it is not sure what the file holds.
    """
    name = "standard input" if str(file) == STANDARD_INPUT else str(file)
    content = Content(name, file.suffix.lower(), _text(file, name), column)
    documents = READERS[format_of(content) if form == "auto" else form](content)
    if not documents:
        raise UserError(f"{name}: no documents in it")
    for number, document in enumerate(documents, 1):
        require_unicode(document.text, f"{name}: the text of document {number}")
    return documents


def _text(file: Path, name: str) -> str:
    try:
        content = sys.stdin.buffer.read() if str(file) == STANDARD_INPUT else file.read_bytes()
    except OSError as error:
        raise UserError(f"{name}: {error.strerror}") from None
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


def _line(content: bytes, place: int) -> int:
    return content.count(b"\n", 0, place) + 1


def require_unicode(text: str, name: str) -> None:
    """Raise UserError where a text has half of a surrogate pair: no tokenizer reads that."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(f"{name} is not Unicode: half of a surrogate pair at character {error.start}") from None
