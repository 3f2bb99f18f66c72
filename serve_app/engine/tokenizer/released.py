"""The tokenizer that the released transformers makes of a directory, without torch and without the network."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from tokenizers import Tokenizer as RustTokenizer

from serve_app.engine.files import ModelError
from serve_app.engine.tokenizer.files import CONFIG, TOKENIZER, shown, tokenizer_class, vocabulary_files

# transformers counts a larger model_max_length as "no limit": LARGE_INTEGER in its tokenization_utils_base.py.
NO_LIMIT = 1e20

_loading = Lock()


@dataclass(frozen=True, slots=True)
class Released:
    """What transformers made of a directory.

    name: of the tokenizer's class. vocabulary_names: by use, the files that the class makes a tokenizer of.
    model_input_names: what it gives to a model. model_max_length: tokens; None is no limit.
    """

    directory: Path
    name: str
    rust: RustTokenizer
    vocabulary_names: dict[str, str]
    model_input_names: list[str]
    model_max_length: int | None
    truncated_side: Literal["left", "right"]

    def refusal(self, reason: str) -> ModelError:
        """The error that says what is wrong with the tokenizer."""
        files = ", ".join(vocabulary_files(self.directory))
        return ModelError(f"{self.directory}: the tokenizer that transformers makes of {files} ({self.name}): {reason}")


def load_released(directory: Path) -> Released:
    """What the released transformers' AutoTokenizer makes of a model directory.

    Raises ModelError where it makes nothing, or a tokenizer that runs in Python.
    """
    with _loading:
        auto = _tokenization_auto()
        with _silent():
            _require_rust(directory, auto)
            try:
                made = auto.AutoTokenizer.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
            except Exception:  # its own, tokenizers' and protobuf's bare ones, ImportError
                raise _unreadable(directory) from None
    if not isinstance(made, auto.TokenizersBackend):
        raise _in_python(directory, type(made).__name__)
    limit = made.model_max_length
    return Released(
        directory=directory,
        name=type(made).__name__,
        rust=made.backend_tokenizer,
        vocabulary_names=dict(type(made).vocab_files_names),
        model_input_names=made.model_input_names,
        model_max_length=None if limit > NO_LIMIT else int(limit),
        truncated_side=made.truncation_side,
    )


def _require_rust(directory: Path, auto: Any) -> None:
    """Refuse a class that runs in Python before it is made: it may need a package that is not here."""
    asked = tokenizer_class(directory)
    found = auto.tokenizer_class_from_name(asked) if asked else None
    if found is not None and not issubclass(found, auto.TokenizersBackend):
        raise _in_python(directory, asked)


def _in_python(directory: Path, name: str | None) -> ModelError:
    return ModelError(
        f"{directory / CONFIG}: tokenizer_class: {shown(name)} runs in Python, which is not supported; "
        "supported: the classes that transformers runs in Rust"
    )


def _unreadable(directory: Path) -> ModelError:
    files, asked = vocabulary_files(directory), tokenizer_class(directory)
    what = f"{directory / files[0]}: not readable as a tokenizer"
    if files[0] == TOKENIZER:
        try:
            RustTokenizer.from_file(str(directory / TOKENIZER))
        except Exception:  # the only kind that tokenizers raises
            return ModelError(what)
    how = f"tokenizer_class {shown(asked)}" if asked else "the class that it has for config.json's model_type"
    return ModelError(f"{what} by {how}")


def _tokenization_auto() -> Any:
    """Transformers' module of AutoTokenizer.

    Imports no torch, which takes seconds and memory that a gateway has better uses for: while transformers is imported
    for the first time, torch is not to be found, unless the process has it already. Whoever imports torch in another
    thread meanwhile fails.
    """
    hidden = "torch" not in sys.modules and "transformers" not in sys.modules
    advisory = os.environ.get("TRANSFORMERS_NO_ADVISORY_WARNINGS")
    os.environ["TRANSFORMERS_NO_ADVISORY_WARNINGS"] = "1"  # otherwise it says that PyTorch was not found
    if hidden:
        sys.modules["torch"] = None  # type: ignore[assignment]  # Python's way to have an import fail
    try:
        from transformers.models.auto import tokenization_auto
    finally:
        if hidden:
            del sys.modules["torch"]
        if advisory is None:
            del os.environ["TRANSFORMERS_NO_ADVISORY_WARNINGS"]
        else:
            os.environ["TRANSFORMERS_NO_ADVISORY_WARNINGS"] = advisory
    return tokenization_auto


@contextmanager
def _silent() -> Iterator[None]:
    """Keep transformers from writing to the log what it tries and gives up; we say what comes of it."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(level)
