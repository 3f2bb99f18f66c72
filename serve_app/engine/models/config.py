"""What the configurations of all families have in common. No torch: a gateway reads them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from serve_app.domain.model import HeadKind
from serve_app.engine.tokenizer.files import token_limit

if TYPE_CHECKING:
    from serve_app.engine.layers.placement import Placement
    from serve_app.engine.models.encoder import Encoder
    from serve_app.engine.modules.head import Head
    from serve_app.engine.weights import Weights

# Of which tokens of a sequence a head reads the states.
States = Literal["all", "first", "last"]

# Of the longest sequence; what is said of more is a slip, and its distances would not fit into memory.
MOST_TOKENS = 1_000_000


@dataclass(frozen=True, slots=True)
class EncoderConfig(ABC):
    """The numbers that shape an encoder of any family.

    head: classification where the family's own head follows, embedding where the encoder stands alone. max_tokens: the
    longest sequence.
    """

    head: HeadKind
    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    epsilon: float
    max_tokens: int

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.hidden // self.heads

    @property
    @abstractmethod
    def most_tokens(self) -> int | None:
        """Tokens that a table of positions has room for; None where positions are computed, for any length."""

    @property
    def segment_rows(self) -> int:
        """Segments that the encoder has an embedding for; 0 where it reads none."""
        return 0

    @property
    def uncounted_id(self) -> int | None:
        """Id of a token that has no position of its own (RoBERTa's padding); None where all tokens have one."""
        return None

    @property
    def passed_over_id(self) -> int | None:
        """Id of a token that the family's head does not take for a sequence's last one, its padding; None for none."""
        return None

    @property
    @abstractmethod
    def weight_prefixes(self) -> tuple[str, ...]:
        """What a checkpoint may put before the names of tensors, with its dot: transformers' `base_model_prefix`."""

    @property
    @abstractmethod
    def table_parameters(self) -> int:
        """Numbers in the embedding tables and their norms."""

    @property
    def layer_parameters(self) -> int:
        """Numbers in all layers, the head left out; here those of BERT's layers."""
        layer = 4 * self.hidden * (self.hidden + 1) + 2 * self.hidden * self.intermediate
        return self.layers * (layer + self.intermediate + self.hidden + 4 * self.hidden)

    @property
    def step_numbers(self) -> int:
        """Numbers for each token that a step has in a GPU's memory at one time, at the most.

        Counted on fake CUDA tensors, without our kernels: the feed-forward has its two wide tensors beside seven of a
        state's width. Where it is narrow, as ModernBERT's, the rotation has no less.
        """
        return 7 * self.hidden + 2 * max(self.intermediate, 4 * self.hidden)

    @property
    def kept_numbers(self) -> int:
        """Numbers that all layers keep of a token that sequences begin with: its keys and values."""
        return 0

    @property
    def causal(self) -> bool:
        """Whether a token sees only those before it (a decoder), so that sequences may share what they begin with."""
        return False

    @property
    def answers(self) -> bool:
        """Whether its score is how much surer it is of one token of its vocabulary than of another one."""
        return False

    def gives(self, states: States) -> States:
        """The states that the encoder gives where a head reads these; all where it cannot give them alone."""
        return "all" if states == "last" else states

    @abstractmethod
    def load_encoder(self, weights: "Weights", placement: "Placement", states: States) -> "Encoder":
        """The family's encoder with these weights; imports torch.

        states: which it gives, as `gives` says. Raises ModelError when a tensor is missing or has another shape.
        """

    @abstractmethod
    def load_classification_head(self, weights: "Weights", placement: "Placement") -> "Head":
        """The family's head of a cross-encoder; imports torch. Raises ModelError as load_encoder does."""

    def load_answer_head(self, weights: "Weights", placement: "Placement", ids: tuple[int, int]) -> "Head":
        """What takes its place where `answers` is true; imports torch. Raises ModelError as load_encoder does.

        ids: of the tokens for yes and no.
        """
        raise NotImplementedError


def longest(directory: Path, positions: int) -> int:
    """Tokens of the longest sequence: what the tokenizer's configuration says, and no more than `positions`.

    Raises ModelError when that cannot be read.
    """
    limit = token_limit(directory)
    return positions if limit is None else min(limit, positions)
