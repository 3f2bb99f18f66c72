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
MODULES = "modules.json"
PAIRS = FOR_CLASSES, FOR_WORDS = "ForSequenceClassification", "ForCausalLM"
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
    parameters: int


def describe(directory: Path) -> Description:
    """What the directory's configuration says. Raises CatalogError, naming file and field, when it is not a model's."""
    try:
        return _described(directory)
    except OSError as error:  # a folder that may not be looked into
        raise CatalogError(f"{error.filename or directory}: not readable: {error.strerror}") from None


def _described(directory: Path) -> Description:
    modules = directory / MODULES
    path = (_first_module(modules) if modules.exists() else directory) / "config.json"
    config = _read(path, dict)
    names = config.get("architectures") or []
    architecture = names[0] if isinstance(names, list) and names else names or config.get("model_type")
    if not isinstance(architecture, str) or (
        not architecture.isidentifier() and architecture != config.get("model_type")
    ):
        raise CatalogError(f"{path}: architectures: {shown(architecture)} is not the name of an architecture")
    # The second names are DistilBERT's.
    hidden, layers = _whole(path, config, "hidden_size", "dim"), _whole(path, config, "num_hidden_layers", "n_layers")
    vocabulary = _whole(path, config, "vocab_size")
    return Description(
        path=path,
        architecture=architecture,
        head=_head(directory, architecture, named=bool(names)),
        positions=_whole(path, config, "max_position_embeddings"),
        hidden=hidden,
        layers=layers,
        parameters=_decoder_parameters(path, config, architecture, directory)
        if "num_key_value_heads" in config
        else vocabulary * hidden + layers * 12 * hidden**2,
    )


def _decoder_parameters(path: Path, config: dict[str, Any], architecture: str, directory: Path) -> int:
    """Of a language model, to the last one: as `sum(p.numel() for p in model.parameters())` of transformers says.

    Its keys and values have fewer heads than its queries, its feed-forward has a third product, and the head over the
    vocabulary is the embedding table where both are tied.
    """
    hidden, heads = _whole(path, config, "hidden_size"), _whole(path, config, "num_attention_heads")
    key_heads, inner = _whole(path, config, "num_key_value_heads"), _whole(path, config, "intermediate_size")
    size = _whole(path, config, "head_dim") if config.get("head_dim") is not None else hidden // max(heads, 1)
    queries, keys = heads * size, key_heads * size
    layer = hidden * (2 * queries + 2 * keys + 3 * inner) + 2 * hidden
    if config.get("model_type") == "qwen3":
        layer += 2 * size  # the norms of queries and keys
    elif config.get("model_type") == "qwen2":
        layer += queries + 2 * keys  # their biases
    table = _whole(path, config, "vocab_size") * hidden
    count = table + _whole(path, config, "num_hidden_layers") * layer + hidden
    if FOR_WORDS in architecture and not (directory / MODULES).exists() and not config.get("tie_word_embeddings"):
        count += table
    return count + (hidden if FOR_CLASSES in architecture else 0)


def _first_module(path: Path) -> Path:
    """The folder of the first module, which is the Transformer."""
    modules = _read(path, list)
    folder = modules[0].get("path") if modules and isinstance(modules[0], dict) else None
    if not isinstance(folder, str) or not folder.isprintable():
        raise CatalogError(f"{path}: module 0: path: {shown(folder)} is not the name of a folder")
    return path.parent / folder


def _head(directory: Path, architecture: str, *, named: bool) -> HeadKind:
    """What is made of the encoder. named: whether the architecture is, or only the model's type.

    A language model without modules is one that is asked, and answers by two words of its vocabulary.
    """
    if (directory / MODULES).exists():
        path = directory / "config_sentence_transformers.json"
        pairs = path.exists() and _read(path, dict).get("model_type") == "CrossEncoder"
        return "classification" if pairs else "embedding"
    classifies = any(end in architecture for end in PAIRS) if named else _holds_classifier(directory)
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
