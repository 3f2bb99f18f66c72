"""The files of a model directory in Hugging Face layout."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from serve_app.domain.errors import UserError

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


class ModelError(UserError):
    """A model directory that cannot be served. The message says in one line which file it is and what is wrong."""


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises ModelError, naming the file, when it is missing or holds anything else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file; a model directory has one") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: not readable as JSON: {error}") from None
    if not isinstance(content, dict):
        raise ModelError(f"{path}: a JSON object is needed, found {type(content).__name__}")
    return content


def weight_files(directory: Path) -> list[Path]:
    """The safetensors files of a directory: one file, or all that an index names.

    Each is opened to see whether it is whole. Raises ModelError when there is none, one is corrupt, or the weights are
    pickled.
    """
    paths = _find_weights(directory)
    for path in paths:
        try:
            with safe_open(path, framework="np"):
                pass
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path}: not a valid safetensors file: {error}") from None
    return paths


def tensor_names(directory: Path) -> set[str]:
    """The names of the tensors in a directory's safetensors files. Raises ModelError as weight_files does."""
    names: set[str] = set()
    for path in weight_files(directory):
        with safe_open(path, framework="np") as tensors:
            names.update(tensors.keys())
    return names


def _find_weights(directory: Path) -> list[Path]:
    if (directory / WEIGHTS).exists():
        return [directory / WEIGHTS]
    if (directory / INDEX).exists():
        names = sorted(set(read_json(directory / INDEX).get("weight_map", {}).values()))
        outside = [name for name in names if Path(name).name != name]
        if outside:
            raise ModelError(f"{directory / INDEX}: names a file outside the model's directory: {outside[0]!r}")
        return [directory / name for name in names]
    if pickles := sorted(path.name for pattern in PICKLES for path in directory.glob(pattern)):
        raise ModelError(
            f"{directory / pickles[0]}: pickled weights can run code when they are read and are refused; "
            f"convert them to {WEIGHTS}"
        )
    raise ModelError(f"{directory}: no {WEIGHTS}")
