"""What a Qwen makes of the last token's state: how much surer it is of yes than of no."""

from typing import TYPE_CHECKING

import torch

from serve_app.engine.files import field_error
from serve_app.engine.models.config import States

if TYPE_CHECKING:
    from serve_app.engine.layers.packed import Packed
    from serve_app.engine.layers.placement import Placement
    from serve_app.engine.models.qwen.config import QwenConfig
    from serve_app.engine.weights import Weights

OUTPUT = "lm_head.weight"


class LastTokenHead:
    """One row of weights against the state of each sequence's last token, in float32."""

    states: States = "last"

    def __init__(self, row: torch.Tensor, placement: "Placement") -> None:
        """Hold the row: float32 (1, hidden)."""
        self._out = placement.exact_linear(row, torch.zeros(1))

    def __call__(self, states: torch.Tensor, step: "Packed") -> torch.Tensor:  # noqa: ARG002
        """One logit a sequence: float32 (sequences, 1). states: (sequences, hidden)."""
        return self._out(states.float())


def answer_head(
    weights: "Weights", config: "QwenConfig", placement: "Placement", answers: tuple[int, int]
) -> LastTokenHead:
    """The difference of two logits of the vocabulary; its sigmoid is the probability of yes among the two.

    answers: ids of the tokens for yes and no. Raises ModelError when the output's table is missing or of another shape,
    or config.json says that it is the input's, and it is not.
    """
    row = _difference(weights, config, "embed_tokens.weight" if config.tied else OUTPUT, answers)
    # transformers 5 then reads the output's own table, and transformers 4 the input's.
    if config.tied and OUTPUT in weights and not torch.equal(row, _difference(weights, config, OUTPUT, answers)):
        reason = f"true, but {OUTPUT} differs from embed_tokens.weight; which one is meant is not known"
        raise field_error(weights.directory / "config.json", "tie_word_embeddings", reason)
    return LastTokenHead(row, placement)


def _difference(weights: "Weights", config: "QwenConfig", table: str, answers: tuple[int, int]) -> torch.Tensor:
    """The row of yes less that of no: float32 (1, hidden)."""
    rows = weights.table(table, config.vocabulary, config.hidden)
    yes, no = (rows[token].float() for token in answers)
    return (yes - no)[None]


def score_head(weights: "Weights", config: "QwenConfig", placement: "Placement") -> LastTokenHead:
    """The head of a `…ForSequenceClassification`, which has no bias. Raises ModelError as `answer_head` does."""
    return LastTokenHead(weights.get("score.weight", 1, config.hidden), placement)
