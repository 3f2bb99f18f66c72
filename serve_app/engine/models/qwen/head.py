"""What a Qwen makes of the last token's state: how much surer it is of yes than of no."""

from typing import TYPE_CHECKING

import torch

from serve_app.engine.models.config import States

if TYPE_CHECKING:
    from serve_app.engine.layers.packed import Packed
    from serve_app.engine.layers.placement import Placement
    from serve_app.engine.models.qwen.config import QwenConfig
    from serve_app.engine.weights import Weights


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

    answers: ids of the tokens for yes and no. Raises ModelError when the output's table is missing or of another shape.
    """
    table = weights.table("embed_tokens.weight" if config.tied else "lm_head.weight", config.vocabulary, config.hidden)
    yes, no = (table[token].float() for token in answers)
    return LastTokenHead((yes - no)[None], placement)


def score_head(weights: "Weights", config: "QwenConfig", placement: "Placement") -> LastTokenHead:
    """The head of a `…ForSequenceClassification`, which has no bias. Raises ModelError as `answer_head` does."""
    return LastTokenHead(weights.get("score.weight", 1, config.hidden), placement)
