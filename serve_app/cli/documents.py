"""A file of documents, as `rayrank rank` reads one: its bytes, its format, its documents."""

import sys
from pathlib import Path

from serve_app.cli.document_formats import READERS, Content, Format, format_of
from serve_app.domain.errors import UserError
from serve_app.domain.request import Document
from serve_app.domain.text_files import decoded, read_bytes, require_unicode

STANDARD_INPUT = "-"


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
    if str(file) != STANDARD_INPUT:
        return decoded(read_bytes(file, name), name)
    try:
        content = sys.stdin.buffer.read()
    except OSError as error:
        raise UserError(f"{name}: {error.strerror}") from None
    return decoded(content, name)
