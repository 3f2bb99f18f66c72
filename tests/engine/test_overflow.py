import math

import pytest
import torch

from serve_app.engine.overflow import largest_half, trial


def halves(*numbers: float) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float16)


@pytest.mark.parametrize(
    ("run", "largest"),
    [
        pytest.param(lambda: (halves(3, 4) * 500).clamp(max=1), 2_000, id="a number on the way"),
        pytest.param(lambda: (halves(300, 4) * 300).clamp(max=1), math.inf, id="one that float16 cannot hold"),
        pytest.param(lambda: halves(1, 2).float() * 1e9 * 0, 2, id="in float32 there is room"),
        pytest.param(lambda: halves(300).float() * math.nan, math.inf, id="a result that is no number"),
        pytest.param(lambda: halves(7).mul_(1000), 7_000, id="computed in place"),
    ],
)
def test_the_largest_half_of_a_run_is_found(run, largest: float) -> None:
    assert largest_half(run) == largest


def test_memory_that_is_not_yet_written_to_is_not_read() -> None:
    def run() -> torch.Tensor:
        out = torch.empty(4, dtype=torch.float16)
        out.view(torch.int16).fill_(0x7BFF)  # as what was there before might be: 65,504
        out.view(2, 2)[0].copy_(halves(1, 2))
        return out.view(2, 2)[0]

    assert largest_half(run) == 2


@pytest.mark.parametrize(("vocabulary", "longest"), [(250_002, 512), (400, 128), (30, 16)])
def test_the_trial_is_of_tokens_that_the_model_has(vocabulary: int, longest: int) -> None:
    step = trial(vocabulary, longest)
    assert 0 <= step.token_ids.min() <= step.token_ids.max() < vocabulary
    assert step.lengths.max() <= longest
    if longest >= 384:
        for row in step.token_ids.reshape(len(step), -1):
            assert {0, 2, 101, 102, vocabulary - 1} <= set(row.tolist())
