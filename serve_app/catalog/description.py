"""What a model directory says of a model that the catalogue does not know.

The engine reads the same files in full, and refuses what it does not support; here is what a card shows.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serve_app.catalog.catalog import CatalogError
from serve_app.domain.errors import shown
from serve_app.domain.model import HeadKind

NAMES: dict[type, str] = {dict: "object", list: "list"}
WEIGHTS = "model.safetensors"
MOST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Description:
    """What a card shows of a model. path: the file that says it. positions: max_position_embeddings."""

    path: Path
    architecture: str
    head: HeadKind
    positions: int
    hidden: int
    layers: int
    vocabulary: int


def describe(directory: Path) -> Description:
    """What the directory's configuration says. Raises CatalogError, naming file and field, when it is not a model's."""
    try:
        return _described(directory)
    except OSError as error:  # a folder that may not be looked into
        raise CatalogError(f"{error.filename or directory}: not readable: {error.strerror}") from None


def _described(directory: Path) -> Description:
    modules = directory / "modules.json"
    path = (_first_module(modules) if modules.exists() else directory) / "config.json"
    config = _read(path, dict)
    names = config.get("architectures") or []
    architecture = names[0] if isinstance(names, list) and names else names or config.get("model_type")
    if not isinstance(architecture, str) or (
        not architecture.isidentifier() and architecture != config.get("model_type")
    ):
        raise CatalogError(f"{path}: architectures: {shown(architecture)} is not the name of an architecture")
    return Description(
        path=path,
        architecture=architecture,
        head=_head(directory, architecture, named=bool(names)),
        positions=_whole(path, config, "max_position_embeddings"),
        # The second names are DistilBERT's.
        hidden=_whole(path, config, "hidden_size", "dim"),
        layers=_whole(path, config, "num_hidden_layers", "n_layers"),
        vocabulary=_whole(path, config, "vocab_size"),
    )


def _first_module(path: Path) -> Path:
    """The folder of the first module, which is the Transformer."""
    modules = _read(path, list)
    folder = modules[0].get("path") if modules and isinstance(modules[0], dict) else None
    if not isinstance(folder, str) or not folder.isprintable():
        raise CatalogError(f"{path}: module 0: path: {shown(folder)} is not the name of a folder")
    return path.parent / folder


def _head(directory: Path, architecture: str, *, named: bool) -> HeadKind:
    """What is made of the encoder. named: whether the architecture is, or only the model's type."""
    if (directory / "modules.json").exists():
        path = directory / "config_sentence_transformers.json"
        pairs = path.exists() and _read(path, dict).get("model_type") == "CrossEncoder"
        return "classification" if pairs else "embedding"
    classifies = "ForSequenceClassification" in architecture if named else _holds_classifier(directory)
    return "classification" if classifies else "embedding"


def _holds_classifier(directory: Path) -> bool:
    """Whether the weights have a head, which decides where no architecture is named."""
    try:
        return any(name.startswith("classifier.") for path in _weights(directory) for name in _tensors(path))
    except (OSError, ValueError, RecursionError):
        return False  # the engine says what is wrong with them


def _weights(directory: Path) -> list[Path]:
    """The safetensors files of a directory: one, or all that an index names."""
    index = directory / f"{WEIGHTS}.index.json"
    if (directory / WEIGHTS).exists() or not index.exists():
        return [directory / WEIGHTS]
    files = json.loads(index.read_text(encoding="utf-8"))
    files = files.get("weight_map") if isinstance(files, dict) else None
    return [directory / name for name in {str(name) for name in files.values()}] if isinstance(files, dict) else []


def _tensors(path: Path) -> Iterator[str]:
    """The names of a file's tensors, which it begins with: 8 bytes for the length of an object in JSON."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        described = json.loads(file.read(size)) if size < path.stat().st_size else None
    yield from described if isinstance(described, dict) else ()


def _whole(path: Path, config: dict[str, Any], name: str, or_name: str = "") -> int:
    value = config.get(name, config.get(or_name))
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST:
        raise CatalogError(f"{path}: {name}: {shown(value)} is not a whole number from 0 to {MOST:,}")
    return value


def _read(path: Path, kind: type) -> Any:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CatalogError(f"{path}: no such file; a model directory has one") from None
    except OSError as error:
        raise CatalogError(f"{path}: not readable: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise CatalogError(f"{path}: not JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
    except (ValueError, RecursionError):
        raise CatalogError(f"{path}: not JSON: not in UTF-8, a number is too long, or nested too deeply") from None
    if not isinstance(content, kind):
        raise CatalogError(f"{path}: a JSON {NAMES[kind]} is needed, found {shown(content)}")
    return content
