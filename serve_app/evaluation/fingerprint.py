"""What tells scores apart that need not be the same."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serve_app.catalog.card import Source
from serve_app.domain.errors import UserError

DIGITS = 32  # of a digest, hexadecimal: 128 bits
WEIGHTS = "*.safetensors"
READ_BESIDE = ("*.json", "*.jinja", "*.model", "*.txt")  # configurations, tokenizers, prompts
PINNED = "model.safetensors"  # the file that a card's sha256 is of


def fingerprint(facts: Mapping[str, Any]) -> str:
    """A digest of all that scores depend on. facts: as JSON."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:DIGITS]


def file_digests(directory: Path, source: Source) -> dict[str, str]:
    """What the files of a model hold: a SHA-256 by each one's path in its directory.

    Weights of a revision that is pinned stand for themselves: gigabytes are not read for what is known. Raises
    UserError where a file cannot be read.
    """
    found = {}
    for path in sorted({path for pattern in (WEIGHTS, *READ_BESIDE) for path in directory.rglob(pattern)}):
        name = path.relative_to(directory).as_posix()
        known = _known(name, source) if path.match(WEIGHTS) else None
        found[name] = known or _digest(path)
    return found


def _known(name: str, source: Source) -> str | None:
    if source.sha256 is not None and name == PINNED:
        return source.sha256  # verified when the weights are loaded
    return f"revision {source.revision}" if source.hub is not None and source.revision is not None else None


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: not readable: {error.strerror or 'it cannot be opened'}") from None
