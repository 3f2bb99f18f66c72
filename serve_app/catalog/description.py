"""What a model directory says of a model that the catalogue does not know.

The engine reads the same files in full, and refuses what it does not support; here is what a card shows.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serve_app.catalog.catalog import CatalogError
from serve_app.domain.model import HeadKind

NAMES: dict[type, str] = {dict: "object", list: "list"}


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
    modules = directory / "modules.json"
    path = (_first_module(modules) if modules.exists() else directory) / "config.json"
    config = _read(path, dict)
    names = config.get("architectures") or []
    architecture = names[0] if isinstance(names, list) and names else names or config.get("model_type")
    if not isinstance(architecture, str):
        raise CatalogError(f"{path}: architectures: {architecture!r:.100} is not the name of an architecture")
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
    if not isinstance(folder, str):
        raise CatalogError(f"{path}: its first module has no path")
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
    # A safetensors file begins with the length of its description in JSON, 8 bytes.
    try:
        with (directory / "model.safetensors").open("rb") as file:
            tensors = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    except (OSError, ValueError, OverflowError):
        return False  # the engine says what is wrong with them
    return any(name.startswith("classifier.") for name in tensors)


def _whole(path: Path, config: dict[str, Any], name: str, or_name: str = "") -> int:
    value = config.get(name, config.get(or_name))
    if not isinstance(value, int) or isinstance(value, bool):
        raise CatalogError(f"{path}: {name}: {value!r:.100} is not a whole number")
    return value


def _read(path: Path, kind: type) -> Any:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CatalogError(f"{path}: no such file; a model directory has one") from None
    except (OSError, ValueError) as error:
        raise CatalogError(f"{path}: not readable as JSON: {error}") from None
    if not isinstance(content, kind):
        raise CatalogError(f"{path}: a JSON {NAMES[kind]} is needed, found {type(content).__name__}")
    return content
