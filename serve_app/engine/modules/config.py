"""What follows an encoder, module by module. No torch: a gateway reads it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from serve_app.engine.models.config import States

# sentence-transformers' names: the states of all tokens, one vector a sequence, and a cross-encoder's logits.
Value = Literal["token_embeddings", "sentence_embedding", "scores"]
TOKENS, VECTOR, SCORES = get_args(Value)

PoolingMode = Literal["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
MODES: tuple[PoolingMode, ...] = get_args(PoolingMode)


@dataclass(frozen=True, slots=True)
class Pooling:
    """The states of a sequence's tokens to one vector.

    modes: in how many ways, whose vectors lie side by side. include_prompt: whether a prompt's tokens take part.
    """

    modes: tuple[PoolingMode, ...]
    include_prompt: bool = True
    reads: Value = "token_embeddings"
    writes: Value = "sentence_embedding"


@dataclass(frozen=True, slots=True)
class Dense:
    """A linear layer with its activation.

    folder: where its weights lie. activation: name of a class of torch.nn. residual: whether its input is added to its
    output, through a second linear layer where their widths differ.
    """

    folder: Path
    inputs: int
    outputs: int
    bias: bool
    activation: str
    residual: bool
    reads: Value
    writes: Value


@dataclass(frozen=True, slots=True)
class Normalize:
    """Each vector scaled to length 1."""

    reads: Value
    writes: Value


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """A layer normalisation. folder: where its weights lie."""

    folder: Path
    width: int
    reads: Value = "sentence_embedding"
    writes: Value = "sentence_embedding"


Module = Pooling | Dense | Normalize | LayerNorm


@dataclass(frozen=True, slots=True)
class Chain:
    """The modules that make a row of a sequence's states, in their order.

    gives: which value the row is. width: numbers in it; a last module may give more, which are cut off. is_cut: whether
    some are.
    """

    modules: tuple[Module, ...]
    gives: Value
    width: int
    is_cut: bool = False

    @property
    def poolings(self) -> tuple[Pooling, ...]:
        """Those that pool: one, as a rule. The last one's vector counts."""
        return tuple(module for module in self.modules if isinstance(module, Pooling))

    @property
    def states(self) -> States:
        """Of which tokens of each sequence the states are read."""
        modes = {pooling.modes if pooling.include_prompt else () for pooling in self.poolings}
        if modes <= {("cls",)}:
            return "first"
        return "last" if modes == {("lasttoken",)} else "all"

    @property
    def include_prompt(self) -> bool:
        """Whether a prompt's tokens are pooled with the others."""
        return all(pooling.include_prompt for pooling in self.poolings)

    @property
    def has_unit_length(self) -> bool:
        """Whether a row has length 1."""
        last = self.modules[-1]
        return isinstance(last, Normalize) and last.writes == self.gives and not self.is_cut

    @property
    def pooling(self) -> str:
        """How it pools, in sentence-transformers' words: `mean`, `cls+max`."""
        return "+".join(self.poolings[-1].modes)


def mean_pooling(hidden: int) -> Chain:
    """What sentence-transformers puts behind an encoder whose directory has no modules. hidden: width of a state."""
    return Chain((Pooling(("mean",)),), "sentence_embedding", hidden)
