"""Documents of a file, or a folder of text files."""

import os
from collections.abc import Sequence
from pathlib import Path

from serve_app.domain.errors import UserError, shown
from serve_app.domain.text_files import decoded, read_bytes
from serve_app.evaluation.data.columns import Columns
from serve_app.evaluation.data.gathering import Gathering, some
from serve_app.evaluation.data.rows import Row, name_of, read_rows

ID = ("document_id", "_id", "id", "doc_id", "docid", "docno")
TEXT = ("text", "document", "content", "passage", "body")
TITLE = ("title",)
TEXT_FILES = {".txt", ".md"}


def add_documents(gathering: Gathering, files: Sequence[Path], columns: Columns) -> None:
    """Take the documents of files. One without an id is called by its place, from 1; blank lines do not count.

    A title is put before its text, as BEIR does. Raises UserError where no document is usable.
    """
    before = len(gathering.documents)
    for row in read_rows(files, gathering.faults):
        _add(gathering, row, columns)
    gathering.require(len(gathering.documents) - before, "document", name_of(files[0]))


def add_folder(gathering: Gathering, folder: Path) -> None:
    """Take each text file of a folder, also within its folders, as a document: .txt and .md.

    A document's id is its path from the folder, with /, and with its suffix: `prices/refunds.md`. What begins with a
    dot is passed over. Raises UserError where no file is usable.
    """
    before, others = len(gathering.documents), []
    for file in files_within(folder):
        identifier = file.relative_to(folder).as_posix()
        if file.suffix.lower() not in TEXT_FILES:
            others.append(name_of(file.relative_to(folder)))
            continue
        try:
            text = decoded(read_bytes(file, name_of(file)), name_of(file))
        except UserError as error:
            gathering.faults.set_aside(str(error), "no text file that can be read")
            continue
        gathering.add_document(name_of(file), identifier, text)
    if others:
        kinds = " and ".join(sorted(TEXT_FILES, reverse=True))
        gathering.faults.remark(
            f"{name_of(folder)}: only {kinds} are read; files of other kinds: {len(others):,} ({some(others)})"
        )
    gathering.require(len(gathering.documents) - before, "document", name_of(folder))


def files_within(folder: Path) -> list[Path]:
    """All files of a folder and its folders, in the order of their paths; nothing that begins with a dot.

    Links to folders are not followed. Raises UserError where a folder cannot be read.
    """
    found: list[Path] = []
    for where, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(where, name) for name in names if not name.startswith(".")]
    return sorted(found)


def _refuse(error: OSError) -> None:
    raise UserError(f"{name_of(Path(error.filename))}: {error.strerror}")


def joined(title: str, text: str) -> str:
    """A document as one text: BEIR's title, space, text."""
    return f"{title} {text}".strip() if title.strip() else text


def _add(gathering: Gathering, row: Row, columns: Columns) -> None:
    text = columns.value(row.fields, "document", TEXT)
    title = columns.value(row.fields, "title", TITLE)
    if text is None:
        reason = "no text: a field text, document, content, passage or body is needed, or --column document=NAME"
        gathering.faults.set_aside(f"{row.place} ({shown(list(row.fields))})", reason)
        return
    if isinstance(title, str) and isinstance(text, str):
        text = joined(title, text)
    elif title is not None and not isinstance(title, str):
        gathering.faults.set_aside(f"{row.place} ({shown(title)})", "the title is no text")
        return
    id_field = columns.find(row.fields, "document_id", ID)
    gathering.add_document(row.place, str(row.number) if id_field is None else row.fields[id_field], text)
