"""Which files of a folder hold what: splits and their pieces, and the parts of BEIR's and mteb's folders."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from serve_app.domain.errors import UserError, shown
from serve_app.evaluation.data.documents import TEXT_FILES, files_within
from serve_app.evaluation.data.rows import SUFFIX, kind_of, name_of

Part = Literal["queries", "documents", "qrels", "top_ranked"]

# What BEIR, mteb and people call them. The hub puts the parts that mteb calls "default" into a folder `data`.
NAMES: dict[Part, tuple[str, ...]] = {
    "queries": ("queries", "query", "questions"),
    "documents": ("corpus", "documents", "docs"),
    "qrels": ("qrels", "judgements", "default", "data"),
    "top_ranked": ("top_ranked",),
}
NOT_SPLITS = {*NAMES["queries"], *NAMES["documents"], *NAMES["top_ranked"]}
USUAL_SPLITS = ("test", "dev", "validation", "val", "train")  # the first one that is there is taken
PIECE = re.compile(r"-\d{5}-of-\d{5}(-[0-9a-f]+)?$")  # the hub's: test-00000-of-00002.parquet


@dataclass(frozen=True, slots=True)
class Parts:
    """Where a folder has its parts: files by split, "" where there is one only, or a folder of text files."""

    queries: dict[str, list[Path]]
    documents: dict[str, list[Path]] | Path
    qrels: dict[str, list[Path]]
    top_ranked: dict[str, list[Path]]


def stem_of(file: Path) -> str:
    """A data file's name without its suffixes, and without the number of its piece."""
    return PIECE.sub("", SUFFIX.sub("", file.name))


def data_files(folder: Path) -> dict[str, list[Path]]:
    """The data files of a folder, by their split, which is their name.

    Raises UserError where a split has two files that are not its pieces.
    """
    found: dict[str, list[Path]] = {}
    for file in sorted(folder.iterdir()):
        if file.is_file() and not file.name.startswith(".") and kind_of(file) not in {None, "lines"}:
            found.setdefault(stem_of(file), []).append(file)
    for files in found.values():
        _require_one(folder, files)
    return found


def choose_split(splits: Iterable[str], asked: str | None, place: str) -> str:
    """The split that is asked for, or test, or the next usual one. Raises UserError where that is none."""
    there = list(splits)
    if asked is not None:
        if asked not in there:
            raise UserError(f"{place}: no split {shown(asked)}; there are {shown(there)}")
        return asked
    usual = [split for split in USUAL_SPLITS if split in there]
    if not usual and len(there) != 1:
        raise UserError(f"{place}: which split? There are {shown(there)}; name one by --split")
    return (usual or there)[0]


def files_of(splits: dict[str, list[Path]], split: str, place: str) -> list[Path]:
    """A part's files: of its only split, or of the one that was chosen. Raises UserError where it is not there."""
    if len(splits) == 1:
        return next(iter(splits.values()))
    if split not in splits:
        raise UserError(f"{place}: no split {shown(split)}; there are {shown(list(splits))}")
    return splits[split]


def find_parts(folder: Path) -> Parts | None:
    """The parts of a folder that has queries and documents, each as a file or a folder; None where it has not."""
    where = [folder, folder / "data"] if (folder / "data").is_dir() else [folder]
    queries, documents = _part(where, "queries"), _documents(where)
    if not queries or not documents:
        return None
    return Parts(queries, documents, _part(where, "qrels"), _part(where, "top_ranked"))


def describe(folder: Path) -> str:
    """What is in a folder, for a message."""
    names = sorted(f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir())
    return shown(names) if names else "nothing"


def _documents(where: Sequence[Path]) -> dict[str, list[Path]] | Path:
    found = _part(where, "documents")
    if found:
        return found
    for folder in where:
        for name in NAMES["documents"]:
            texts = folder / name
            if texts.is_dir() and any(file.suffix.lower() in TEXT_FILES for file in files_within(texts)):
                return texts
    return {}


def _part(where: Sequence[Path], part: Part) -> dict[str, list[Path]]:
    """A part's files by split."""
    for folder in where:
        for name in NAMES[part]:
            files = [file for file in sorted(folder.iterdir()) if file.is_file() and _is_called(file, name)]
            if files:
                _require_one(folder, files)
                return {"": files}
            if (folder / name).is_dir():
                splits = data_files(folder / name)
                if name == "data":
                    splits = {split: files for split, files in splits.items() if split not in NOT_SPLITS}
                if splits:
                    return splits
    return {}


def _is_called(file: Path, name: str) -> bool:
    """Whether a file has this name, as data: a plain name without suffix is data, too, as TREC's qrels are."""
    return file.name == name or (kind_of(file) is not None and stem_of(file) == name)


def _require_one(folder: Path, files: Sequence[Path]) -> None:
    """Raise UserError where files of one name are not pieces of one."""
    if len(files) > 1 and not all(PIECE.search(SUFFIX.sub("", file.name)) for file in files):
        names = shown([file.name for file in files])
        raise UserError(f"{name_of(folder)}: {names}: which one? Name it, or leave one there")
