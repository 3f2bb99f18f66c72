"""A file of documents, as `rayrank rank` reads one."""

import json
import sys
from pathlib import Path

from serve_app.domain.errors import UserError
from serve_app.domain.request import Document

STANDARD_INPUT = "-"


def read_documents(file: Path) -> list[Document]:
    """The documents of a file: JSONL when its first line is a JSON object, else one a line, blank lines left out.

    Raises UserError naming file and line.
    """
    name = "standard input" if str(file) == STANDARD_INPUT else str(file)
    # Not splitlines(): U+2028 and its like may stand within a document, and within a JSON string.
    split = [line.removesuffix("\r") for line in _text(file, name).split("\n")]
    lines = [(number, line) for number, line in enumerate(split, 1) if line.strip()]
    if not lines:
        raise UserError(f"{name}: no documents in it")
    if not lines[0][1].lstrip().startswith("{"):
        return [Document(line) for _, line in lines]
    return [_json_document(f"{name}, line {number}", line) for number, line in lines]


def _text(file: Path, name: str) -> str:
    try:
        content = sys.stdin.buffer.read() if str(file) == STANDARD_INPUT else file.read_bytes()
        return content.decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{name}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: not UTF-8: {error.reason} at byte {error.start}") from None


def _json_document(place: str, line: str) -> Document:
    try:
        source = json.loads(line)
    except ValueError as error:
        raise UserError(f"{place}: not valid JSON: {error}") from None
    if not isinstance(source, dict) or not isinstance(source.get("text"), str):
        raise UserError(f'{place}: an object with a string "text" is needed')
    require_unicode(source["text"], f"{place}: the text")
    return Document(source["text"], source)


def require_unicode(text: str, name: str) -> None:
    """Raise UserError where a text has half of a surrogate pair: no tokenizer reads that."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(f"{name} is not Unicode: half of a surrogate pair at character {error.start}") from None
