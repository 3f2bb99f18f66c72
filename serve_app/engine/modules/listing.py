"""modules.json: which modules a model has, in what order, and where they lie."""

import json
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

from serve_app.engine.files import ModelError
from serve_app.engine.models.fields import shown

MODULES = "modules.json"
FIELDS = {"idx", "name", "path", "type", "kwargs"}

# Where sentence-transformers has each class, and had it. Source: its util/deprecated_import.py.
_HOMES = {
    "Transformer": ("base.modules", "base.modules.transformer", "cross_encoder.modules"),
    "Pooling": ("sentence_transformer.modules.pooling",),
    "Dense": ("base.modules", "base.modules.dense", "cross_encoder.modules"),
    "Normalize": ("base.modules", "base.modules.normalize", "sentence_transformer.modules.normalize"),
    "LayerNorm": ("sentence_transformer.modules.layer_norm",),
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
    entries = [_entry(path, place, raw) for place, raw in enumerate(_read_list(path))]
    names = [raw["name"] for raw in _read_list(path)]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ModelError(f"{path}: two modules have the name {twice!r}")
    if [entry.kind for entry in entries[:1]] != ["Transformer"]:
        raise ModelError(f"{path}: the first module must be a Transformer, found {_kinds(entries[:1])}")
    if "Transformer" in [entry.kind for entry in entries[1:]]:
        raise ModelError(f"{path}: a second Transformer is not supported, found {_kinds(entries)}")
    return entries


def _read_list(path: Path) -> list[Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: not readable as JSON: {error}") from None
    if not isinstance(content, list):
        raise ModelError(f"{path}: a list of modules is needed, found {type(content).__name__}")
    return content


def _entry(path: Path, place: int, raw: Any) -> Entry:
    named = f"{path}: module {place}"
    if not isinstance(raw, dict):
        raise ModelError(f"{named}: an object is needed, found {type(raw).__name__}")
    if unknown := sorted(raw.keys() - FIELDS):
        raise ModelError(f"{named}: {unknown[0]}: {shown(raw[unknown[0]])} is not known, and it may change scores")
    for field in ("name", "path", "type"):
        if not isinstance(raw.get(field), str):
            raise ModelError(f"{named}: {field}: a text is needed, found {shown(raw.get(field))}")
    if raw["type"] not in TYPES:
        supported = ", ".join(_HOMES)
        raise ModelError(f"{named}: type: {shown(raw['type'])} is not supported; supported are {supported}")
    if raw.get("kwargs"):
        raise ModelError(f"{named}: kwargs: {shown(raw['kwargs'])} is not supported; only an empty list is")
    folder = PureWindowsPath(raw["path"])
    if folder.anchor or ".." in folder.parts or "\0" in raw["path"]:
        raise ModelError(f"{named}: path: {shown(raw['path'])} leads out of the model's directory")
    return Entry(TYPES[raw["type"]], path.parent / raw["path"], named)


def _kinds(entries: list[Entry]) -> str:
    return ", ".join(entry.kind for entry in entries) or "none"
