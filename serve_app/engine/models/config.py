"""What the configuration of every family of encoders has in common."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from serve_app.domain.model import HeadKind
from serve_app.engine.files import ModelError, read_json

Pooling = Literal["cls", "mean"]


@dataclass(frozen=True, slots=True)
class EncoderConfig(ABC):
    """The numbers that shape an encoder of any family.

    max_tokens: the longest sequence that positions allow and the tokenizer's own limits do not forbid. pooling: how the
    head makes one vector of a sequence.
    """

    head: HeadKind
    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    epsilon: float
    max_tokens: int
    pooling: Pooling

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.hidden // self.heads

    @property
    @abstractmethod
    def table_parameters(self) -> int:
        """Numbers in the embedding tables and their norm."""

    @property
    @abstractmethod
    def layer_parameters(self) -> int:
        """Numbers in all layers; the head is left out."""


def longest(directory: Path, positions: int) -> int:
    """Tokens of the longest sequence: what positions allow, the tokenizer and sentence-transformers' settings agree."""
    limits = [positions]
    for name, key in (("tokenizer_config.json", "model_max_length"), ("sentence_bert_config.json", "max_seq_length")):
        path = directory / name
        value = read_json(path).get(key) if path.exists() else None
        # transformers writes 1e30 for "no limit".
        if isinstance(value, int | float) and 0 < value < 1e9:
            limits.append(int(value))
    return min(limits)


def embedding_pooling(directory: Path) -> Pooling:
    """How sentence-transformers' settings pool a bi-encoder's states; the mean where they say nothing."""
    path = directory / "1_Pooling" / "config.json"
    if not path.exists():
        return "mean"
    raw = read_json(path)
    chosen = sorted(key for key, value in raw.items() if key.startswith("pooling_mode_") and value is True)
    mode = raw.get("pooling_mode", chosen[0].removeprefix("pooling_mode_") if len(chosen) == 1 else None)
    if mode in {"cls", "cls_token"}:
        return "cls"
    if mode in {"mean", "mean_tokens"}:
        return "mean"
    raise ModelError(f"{path}: pooling {mode or chosen} is not supported; supported: cls, mean")
