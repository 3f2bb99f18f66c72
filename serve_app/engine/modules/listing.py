"""modules.json: which modules a model has, in what order, and where they lie."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

from serve_app.domain.errors import shown
from serve_app.engine.files import ModelError, kind_of, read_json_list
from serve_app.engine.models.fields import Fields

MODULES = "modules.json"
LONGEST_PATH = 255  # bytes: most systems have no longer names

# Where sentence-transformers has each class, and had it. Source: its util/deprecated_import.py.
_HOMES = {
    "Transformer": ("base.modules", "base.modules.transformer", "cross_encoder.modules"),
    "Pooling": ("sentence_transformer.modules.pooling",),
    "Dense": ("base.modules", "base.modules.dense", "cross_encoder.modules"),
    "Normalize": ("base.modules", "base.modules.normalize", "sentence_transformer.modules.normalize"),
    "LayerNorm": ("sentence_transformer.modules.layer_norm",),
    "LogitScore": ("cross_encoder.modules", "cross_encoder.modules.logit_score"),
    "Dropout": ("sentence_transformer.modules.dropout",),
}
TYPES = {
    f"sentence_transformers.{home}.{kind}": kind
    for kind, homes in _HOMES.items()
    for home in ("models", f"models.{kind}", "sentence_transformer.modules", *homes)
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A module that modules.json names.

    kind: its class. folder: where its files are. named: what a message calls the entry.
    """

    kind: str
    folder: Path
    named: str


def read_listing(directory: Path) -> list[Entry]:
    """The modules of a directory in their order; the first is its Transformer, and the only one.

    Raises ModelError, naming the entry, where one is not supported or its files lie outside the directory.
    """
    path = directory / MODULES
    listed = read_json_list(path)
    entries = [_entry(path, place, raw) for place, raw in enumerate(listed)]
    names = Counter(raw["name"] for raw in listed)
    if twice := [name for name, count in names.items() if count > 1]:
        raise ModelError(f"{path}: name: two modules have the name {shown(twice[0])}")
    if [entry.kind for entry in entries[:1]] != ["Transformer"]:
        raise ModelError(f"{path}: the first module must be a Transformer, found {_kinds(entries[:1])}")
    if "Transformer" in [entry.kind for entry in entries[1:]]:
        raise ModelError(f"{path}: a second Transformer is not supported, found {_kinds(entries)}")
    return entries


def _entry(path: Path, place: int, raw: Any) -> Entry:
    named = f"{path}: module {place}"
    if not isinstance(raw, dict):
        raise ModelError(f"{named}: an object is needed, found {kind_of(raw)}")
    fields = Fields(path, raw, f"module {place}: ")
    fields.ignore({"idx"})
    fields.refuse("kwargs")
    _, folder, kind = (_text(fields, field) for field in ("name", "path", "type"))
    fields.refuse_unknown()
    if kind not in TYPES:
        raise fields.refusal("type", f"{shown(kind)} is not supported; supported are {', '.join(_HOMES)}")
    if not folder.isprintable() or len(folder.encode()) > LONGEST_PATH:
        raise fields.refusal("path", f"{shown(folder)} is not the name of a folder")
    if PureWindowsPath(folder).anchor or ".." in PureWindowsPath(folder).parts:
        raise fields.refusal("path", f"{shown(folder)} leads out of the model's directory")
    return Entry(TYPES[kind], path.parent / folder, named)


def _text(fields: Fields, name: str) -> str:
    if not isinstance(value := fields.raw(name), str):
        raise fields.refusal(name, f"a text is needed, found {shown(value)}")
    return value


def _kinds(entries: list[Entry]) -> str:
    return ", ".join(entry.kind for entry in entries) or "none"
