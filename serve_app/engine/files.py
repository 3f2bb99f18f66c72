"""The files of a model directory in Hugging Face layout."""

import json
import math
import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from serve_app.domain.errors import UserError, shown

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLES = ("pytorch_model*.bin", "*.bin", "*.pt", "*.pth", "*.ckpt")
# Pickled, but of training: they hold no weights.
NO_WEIGHTS = {"training_args.bin", "optimizer.bin", "optimizer.pt", "scheduler.bin", "scheduler.pt", "scaler.pt"}
# Pickled tensors to safetensors, without running what else is in the file. A tensor that two names share is written
# twice, since safetensors has no sharing.
CONVERT = (
    "import sys, torch, safetensors.torch as s; "
    "s.save_file({n: t.clone(memory_format=torch.contiguous_format) for p in sys.argv[2:] "
    'for n, t in torch.load(p, map_location="cpu", weights_only=True).items()}, sys.argv[1], {"format": "pt"})'
)

DEEPEST = 100  # objects and lists within each other
TOO_LARGE = "a number is too long, or objects are nested too deeply"
KINDS: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
}


class ModelError(UserError):
    """A model directory that cannot be served. The message says in one line which file it is and what is wrong."""


def field_error(path: Path, field: str, reason: str) -> ModelError:
    """The error that says what is wrong with a field of a file."""
    return ModelError(f"{path}: {field if field.isprintable() else shown(field)}: {reason}")


def kind_of(value: object) -> str:
    """What JSON calls a value: `an object`, `null`."""
    return KINDS[type(value)]


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises ModelError, naming the file, when it is missing or holds anything else."""
    content = _parsed(path)
    if not isinstance(content, dict):
        raise ModelError(f"{path}: a JSON object is needed, found {kind_of(content)}")
    return content


def read_json_list(path: Path) -> list[Any]:
    """The JSON list in a file. Raises ModelError, naming the file, when it is missing or holds anything else."""
    content = _parsed(path)
    if not isinstance(content, list):
        raise ModelError(f"{path}: a JSON list is needed, found {kind_of(content)}")
    return content


def _parsed(path: Path) -> object:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file; a model directory has one") from None
    except OSError as error:
        raise unreadable(path, error) from None
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: not JSON: byte {error.start:,} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ModelError(f"{path}: not JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
    except (ValueError, RecursionError):
        raise ModelError(f"{path}: not JSON: {TOO_LARGE}") from None
    # Python's limit on recursion holds for whatever looks at a value, too.
    within: list[Any] = [content]
    for _ in range(DEEPEST):
        within = [value for each in within for value in _values(each) if isinstance(value, dict | list)]
    if within:
        raise ModelError(f"{path}: not JSON: {TOO_LARGE}")
    return content


def _values(content: object) -> Iterable[Any]:
    if isinstance(content, dict):
        return content.values()
    return content if isinstance(content, list) else ()


def unreadable(path: Path | str, error: OSError) -> ModelError:
    """The error that says why the system does not open a file."""
    return ModelError(f"{path}: not readable: {error.strerror or 'it cannot be opened'}")


def weight_files(directory: Path) -> list[Path]:
    """The safetensors files of a directory: one file, or all that an index names.

    Each is opened to see whether it is whole. Raises ModelError when there is none, one is missing or corrupt, or the
    weights are pickled.
    """
    paths = _find_weights(directory)
    for path in paths:
        try:
            with safe_open(path, framework="np"):
                pass
        except FileNotFoundError:
            raise ModelError(f"{path}: no such file; {INDEX} names it") from None
        except OSError as error:
            raise unreadable(path, error) from None
        except SafetensorError as error:
            raise ModelError(f"{path}: not a valid safetensors file: {error}") from None
    return paths


def tensor_names(directory: Path) -> set[str]:
    """The names of the tensors in a directory's safetensors files. Raises ModelError as weight_files does."""
    names: set[str] = set()
    for path in weight_files(directory):
        with safe_open(path, framework="np") as tensors:
            names.update(tensors.keys())
    return names


def stored_bytes(directory: Path) -> int:
    """Bytes of a number in the largest tensor of a directory's safetensors files, which a vocabulary's table is.

    Only what the files say of their tensors is read. Raises ModelError as weight_files does.
    """
    largest, found = 0, 4
    for path in weight_files(directory):
        with safe_open(path, framework="np") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - it is no mapping
                tensor = tensors.get_slice(name)
                if (count := math.prod(tensor.get_shape())) > largest:
                    bits = re.search(r"\d+", tensor.get_dtype())
                    largest, found = count, int(bits[0]) // 8 if bits else 1
    return found


def _find_weights(directory: Path) -> list[Path]:
    if (directory / WEIGHTS).exists():
        return [directory / WEIGHTS]
    if (directory / INDEX).exists():
        return _indexed(directory / INDEX)
    for pattern in PICKLES:
        if pickles := sorted(path for path in directory.glob(pattern) if path.name not in NO_WEIGHTS):
            raise ModelError(
                f"{pickles[0]}: pickled weights can run code when they are read and are refused; convert them with: "
                + shlex.join(["python", "-c", CONVERT, str(directory / WEIGHTS), *map(str, pickles)])
            )
    raise ModelError(f"{directory}: no {WEIGHTS}")


def _indexed(index: Path) -> list[Path]:
    """The files that an index names; all of its directory."""
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict) or not names or not all(isinstance(name, str) for name in names.values()):
        raise ModelError(f"{index}: weight_map: an object is needed that names the file of each tensor")
    files = sorted(set(names.values()))
    if outside := [name for name in files if not _in_directory(name)]:
        raise ModelError(f"{index}: weight_map: names a file outside the model's directory: {shown(outside[0])}")
    return [index.parent / name for name in files]


def _in_directory(name: str) -> bool:
    """Whether this is the name of a file, without folders."""
    return name.isprintable() and Path(name).name == name and name not in {"", ".."}
