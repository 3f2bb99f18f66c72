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

from serve_app.domain.errors import shown
from serve_app.engine.files import ModelError, read_json
from serve_app.engine.tokenizer.failures import refused_as
from serve_app.engine.tokenizer.files import CONFIG, TOKENIZER, tokenizer_class, vocabulary_files

IN_PYTHON = "runs in Python, which is not supported; supported: the classes that transformers runs in Rust"

_loading = Lock()


@dataclass(frozen=True, slots=True)
class Released:
    """What transformers made of a directory.

    name: of the tokenizer's class. vocabulary_names: by use, the files that the class makes a tokenizer of.
    model_input_names: what it gives to a model. special_ids: of the tokens that its files name as special. padding_id:
    of the padding token; None where it has none.
    """

    directory: Path
    name: str
    rust: RustTokenizer
    vocabulary_names: dict[str, str]
    model_input_names: list[str]
    truncated_side: Literal["left", "right"]
    special_ids: frozenset[int]
    padding_id: int | None

    def refusal(self, reason: str) -> ModelError:
        """The error that says what is wrong with the tokenizer."""
        files = ", ".join(vocabulary_files(self.directory))
        return ModelError(f"{self.directory}: the tokenizer that transformers makes of {files} ({self.name}): {reason}")


def load_released(directory: Path, *, causal: bool = False) -> Released:
    """What the released transformers' AutoTokenizer makes of a model directory.

    causal: as in Tokenizer.load. Raises ModelError where it makes nothing, or a tokenizer that runs in Python.
    """
    with _loading:
        auto = _tokenization_auto()
        with _silent():
            _require_rust(directory, auto)
            with refused_as(lambda: _unreadable(directory, auto)):
                made = auto.AutoTokenizer.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
    if not isinstance(made, auto.TokenizersBackend):
        raise ModelError(f"{directory / 'config.json'}: model_type: its tokenizer, {type(made).__name__}, {IN_PYTHON}")
    _require_masks(directory, made, causal=causal)
    return Released(
        directory=directory,
        name=type(made).__name__,
        rust=made.backend_tokenizer,
        vocabulary_names=dict(type(made).vocab_files_names),
        model_input_names=made.model_input_names,
        truncated_side=made.truncation_side,
        special_ids=frozenset(made.all_special_ids),
        padding_id=made.pad_token_id,
    )


def _require_masks(directory: Path, made: Any, *, causal: bool) -> None:
    """Refuse a tokenizer with which padding counts: a score then depends on what else is in its batch."""
    if made.padding_side != "right" and not causal:
        path = directory / TOKENIZER
        raise ModelError(f"{path}: padding.direction: {shown(made.padding_side)} is not supported; supported: right")
    if "attention_mask" not in made.model_input_names:
        raise ModelError(f"{directory / CONFIG}: model_input_names: without attention_mask padding would count as text")


def _require_rust(directory: Path, auto: Any) -> None:
    """Refuse a class that runs in Python before it is made: it may need a package that is not here."""
    path, asked = tokenizer_class(directory)
    if asked is None:
        return
    with refused_as(lambda: ModelError(f"{path}: tokenizer_class: {shown(asked)} is not a class of transformers")):
        found = auto.tokenizer_class_from_name(asked)
        in_python = found is not None and not issubclass(found, auto.TokenizersBackend)
    if in_python:
        raise ModelError(f"{path}: tokenizer_class: {shown(asked)} {IN_PYTHON}")


def _unreadable(directory: Path, auto: Any) -> ModelError:
    """The error that says which file it is that transformers makes no tokenizer of; raised where one cannot be read."""
    config, (_, asked) = directory / "config.json", tokenizer_class(directory)
    model_type = read_json(config).get("model_type")
    name = asked or (auto.TOKENIZER_MAPPING_NAMES.get(model_type) if isinstance(model_type, str) else None)
    if name is None:
        return ModelError(f"{config}: model_type: {shown(model_type)} has no tokenizer; no tokenizer_class is named")
    if not _reads_config(directory, auto):
        return ModelError(f"{config}: not readable by transformers, which chooses a tokenizer by it")
    vocabulary = directory / vocabulary_files(directory)[0]
    if vocabulary.name == TOKENIZER:
        read_json(vocabulary)
        with refused_as(lambda: ModelError(f"{vocabulary}: not readable as a tokenizer")):
            RustTokenizer.from_file(str(vocabulary))
    beside = f" with the fields of {CONFIG}" if (directory / CONFIG).exists() else ""
    return ModelError(f"{vocabulary}: not readable as a tokenizer by transformers' {name}{beside}")


def _reads_config(directory: Path, auto: Any) -> bool:
    """Whether transformers reads config.json as its AutoTokenizer does: by the model's type, or else by none."""
    for kind in (auto.AutoConfig, auto.PreTrainedConfig):
        try:
            kind.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
        except (OSError, ValueError):
            continue
        except Exception:  # huggingface_hub's and Python's own
            return False
        return True
    return False


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
