"""What the configurations of all families have in common. No torch: a gateway reads them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from serve_app.domain.model import HeadKind
from serve_app.engine.files import ModelError, read_json

if TYPE_CHECKING:
    from serve_app.engine.layers.placement import Placement
    from serve_app.engine.models.encoder import Encoder
    from serve_app.engine.models.heads import Head
    from serve_app.engine.weights import Weights

Pooling = Literal["cls", "mean"]


@dataclass(frozen=True, slots=True)
class EncoderConfig(ABC):
    """The numbers that shape an encoder of any family.

    max_tokens: the longest sequence that both the positions and the tokenizer's own limits allow. pooling: how the head
    makes one state of a sequence's states.
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
    def vector_width(self) -> int | None:
        """Numbers of a bi-encoder's vector; None for a cross-encoder."""
        return self.hidden if self.head == "embedding" else None

    @property
    def row_width(self) -> int:
        """Numbers that the model gives for a sequence: 1, the logit, or those of its vector."""
        return self.vector_width or 1

    @property
    def segment_rows(self) -> int:
        """Segments that the encoder has an embedding for; 0 where it reads none."""
        return 0

    @property
    @abstractmethod
    def table_parameters(self) -> int:
        """Numbers in the embedding tables and their norms."""

    @property
    def layer_parameters(self) -> int:
        """Numbers in all layers, the head left out; here those of BERT's layers."""
        layer = 4 * self.hidden * (self.hidden + 1) + 2 * self.hidden * self.intermediate
        return self.layers * (layer + self.intermediate + self.hidden + 4 * self.hidden)

    @abstractmethod
    def load_encoder(self, weights: "Weights", placement: "Placement", *, first_tokens: bool) -> "Encoder":
        """The family's encoder with these weights; imports torch.

        first_tokens: whether only the state of each sequence's first token is wanted. Raises ModelError when a tensor
        is missing or has another shape.
        """

    def load_head(self, weights: "Weights", placement: "Placement") -> "Head":
        """The head that config.json names; imports torch. Raises ModelError as load_encoder does."""
        if self.head == "classification":
            return self.load_classification_head(weights, placement)
        from serve_app.engine.models.heads import EmbeddingHead

        return EmbeddingHead(first_tokens=self.pooling == "cls")

    @abstractmethod
    def load_classification_head(self, weights: "Weights", placement: "Placement") -> "Head":
        """The family's head of a cross-encoder; imports torch. Raises ModelError as load_encoder does."""


def longest(directory: Path, positions: int) -> int:
    """Tokens of the longest sequence.

    positions: the most that the encoder has positions for; the tokenizer's and sentence-transformers' files may allow
    fewer. Raises ModelError when one of these files cannot be read.
    """
    limits = [positions]
    for name, key in (("tokenizer_config.json", "model_max_length"), ("sentence_bert_config.json", "max_seq_length")):
        path = directory / name
        value = read_json(path).get(key) if path.exists() else None
        # transformers writes 1e30 for "no limit".
        if isinstance(value, int | float) and 0 < value < 1e9:
            limits.append(int(value))
    return min(limits)


def embedding_pooling(directory: Path) -> Pooling:
    """How sentence-transformers pools a bi-encoder's states, by its settings; the mean where there are none.

    Raises ModelError for a pooling that is not supported.
    """
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
