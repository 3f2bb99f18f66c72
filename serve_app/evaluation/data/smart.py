"""The Cranfield collection, in the form of the SMART system: .I id, .T title, .A author, .B source, .W text."""

import re
from collections.abc import Iterator
from pathlib import Path

from serve_app.domain.errors import shown
from serve_app.domain.text_files import numbered_lines
from serve_app.evaluation.data.gathering import Gathering, whole
from serve_app.evaluation.data.rows import content_of, name_of

DOCUMENTS, QUERIES, JUDGEMENTS = "cran.all.1400", "cran.qry", "cranqrel"
FILES = (DOCUMENTS, QUERIES, JUDGEMENTS)
FIELDS = {".T": "title", ".A": "author", ".B": "source", ".W": "text"}
ENTRY = re.compile(r"^\.I ", re.MULTILINE)
# Cleverdon's codes, of which 1 is the best (cranqrel.readme), as grades. ir_datasets documents -1 as of no interest.
GRADES = {1: 4, 2: 3, 3: 2, 4: 1, 5: 0, -1: 0}


def is_cranfield(folder: Path) -> bool:
    """Whether a folder has the collection's three files."""
    return all((folder / name).is_file() for name in FILES)


def add_cranfield(gathering: Gathering, folder: Path) -> None:
    """Take the collection of a folder.

    A document is its title and its text, a question is called by its place and not by its .I, and the scale is turned
    round: all of it as in ir_datasets' `cranfield`, whose judgements have the file's own codes. Raises UserError where
    a file has nothing usable.
    """
    documents, queries, judgements = (folder / name for name in FILES)
    for place, identifier, fields in _entries(documents):
        gathering.add_document(place, identifier, f"{fields['title']} {fields['text']}".strip())
    gathering.require(len(gathering.documents), "document", name_of(documents))
    for number, (place, _, fields) in enumerate(_entries(queries), 1):
        gathering.add_query(place, str(number), fields["text"])
    gathering.require(len(gathering.queries), "query", name_of(queries))
    for number, line in numbered_lines(content_of(judgements)):
        place, cells = f"{name_of(judgements)}, line {number}", line.split()
        if len(cells) != 3:
            gathering.faults.set_aside(f"{place} ({len(cells)})", "not 3 columns: question, document, code")
            continue
        judge(gathering, place, *cells)
    gathering.require_match()
    gathering.require(len(gathering.judgements), "judgement", name_of(judgements))
    note_scale(gathering)


def judge(gathering: Gathering, place: str, query: str, document: str, code: str) -> None:
    """Take a judgement with one of Cleverdon's codes."""
    number = whole(code)
    if number not in GRADES:
        gathering.faults.set_aside(f"{place} ({shown(code)})", "the code is none of 1 to 5 and -1")
        return
    gathering.judge(place, query, document, GRADES[number])


def note_scale(gathering: Gathering) -> None:
    """Say how the codes became grades."""
    gathering.faults.note(
        f"{gathering.name}: grades are 5 - code, so that 4 is a complete answer; codes 5 and -1 count as not relevant"
    )


def _entries(file: Path) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Each entry's place, id and fields. As ir_datasets reads it: a line that begins like a field begins it again."""
    text = content_of(file).replace("\r\n", "\n")
    starts = [match.start() for match in ENTRY.finditer(text)]
    line = text.count("\n", 0, starts[0]) + 1 if starts else 1
    for start, end in zip(starts, [*starts[1:], len(text)], strict=False):
        first, *rest = text[start:end].split("\n")
        yield f"{name_of(file)}, line {line}", first.removeprefix(".I ").strip(), _fields(rest)
        line += text.count("\n", start, end)


def _fields(lines: list[str]) -> dict[str, str]:
    fields = dict.fromkeys(FIELDS.values(), "")
    current = ""
    for line in lines:
        if line[:2] in FIELDS:
            current = FIELDS[line[:2]]
        elif current:
            fields[current] += f"{line}\n"
    return {name: text.strip() for name, text in fields.items()}
