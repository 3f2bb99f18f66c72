import pytest

from serve_app.domain.sequences import Sequences
from serve_app.engine.step_size import SIZES, choose_step_tokens


def device(launch_s: float, tokens_per_s: float, room: int = 10**9):
    """Steps that take the longer of launching their kernels and computing them."""

    def step_s(step: Sequences) -> float | None:
        assert int(step.lengths.max()) <= 128
        tokens = step.token_ids.size
        return None if tokens > room else max(launch_s, tokens / tokens_per_s)

    return step_s


@pytest.mark.parametrize(
    ("step_s", "tokens"),
    [
        pytest.param(device(0.002, 2_200_000), 16_384, id="an H100 with a base model"),
        pytest.param(device(0.002, 240_000), 1_024, id="an L4 with a base model, whose steps are full from 480 on"),
        pytest.param(device(0.002, 9_000_000), 65_536, id="an H100 with a small model"),
        pytest.param(device(0.060, 1_100_000), 65_536, id="a model of so many kernels that launching them is all"),
        pytest.param(device(0.060, 1_100_000, room=20_000), 16_384, id="the same where more does not fit"),
        pytest.param(device(0.020, 400_000), 8_192, id="steps that are late in any case are at least full"),
        pytest.param(device(0.0125, 405_000), 4_096, id="an H100 with a decoder of 0.6 billion weights, launched"),
        pytest.param(device(0.0155, 41_000), 1_024, id="an H100 with one of 8 billion, which fill it by 700 tokens"),
        pytest.param(device(0.002, 1e6, room=10), SIZES[0], id="a card on which nothing fits"),
    ],
)
def test_a_step_is_short_to_wait_for_and_fills_the_device(step_s, tokens: int) -> None:
    assert choose_step_tokens(step_s, 512) == tokens


@pytest.mark.parametrize("disturbed", SIZES)
def test_one_size_that_something_else_slowed_decides_nothing(disturbed: int) -> None:
    alone = device(0.002, 2_200_000)

    def step_s(step: Sequences) -> float | None:
        seconds = alone(step)
        assert seconds is not None
        return seconds + 0.020 * (step.token_ids.size == disturbed)

    # The largest in time, or the next smaller where that was the one.
    assert choose_step_tokens(step_s, 512) == (8_192 if disturbed == 16_384 else 16_384)


def test_sequences_are_no_longer_than_the_model_reads() -> None:
    seen = []

    def step_s(step: Sequences) -> float:
        seen.append(int(step.lengths.max()))
        return 1.0

    choose_step_tokens(step_s, 64)
    assert set(seen) == {64}
