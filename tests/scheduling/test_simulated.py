import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.domain.sequences import Rows, Sequences
from serve_app.scheduling.simulated import SimulatedModel
from serve_app.settings import SimulatedDevice

TIMES = SimulatedDevice(tokens_per_s=20_000, step_ms=2)


def step(texts: list[list[int]]) -> Sequences:
    lengths = np.array([len(text) for text in texts], dtype=np.int32)
    return Sequences.plain(np.concatenate([np.array(text, dtype=np.int32) for text in texts]), lengths)


def scored(texts: list[list[int]], *, width: int) -> Rows:
    return SimulatedModel(TIMES, width=width, longest=512, sleep=lambda _: None).start(step(texts))()


@pytest.mark.parametrize("width", [1, 8])
@given(texts=st.lists(st.lists(st.integers(0, 30_000), min_size=1, max_size=5), min_size=1, max_size=8))
def test_a_row_depends_on_its_own_sequence_alone(width: int, texts: list[list[int]]) -> None:
    together = scored(texts, width=width)
    alone = [scored([text], width=width)[0] for text in texts]
    np.testing.assert_array_equal(together, alone)


def test_different_texts_get_different_scores_within_a_models_range() -> None:
    texts = [[token] for token in range(100)]
    logits = scored(texts, width=1)[:, 0]
    assert len(set(logits.tolist())) == 100
    assert np.abs(logits).max() <= 8
    np.testing.assert_allclose(np.linalg.norm(scored(texts, width=8), axis=1), 1, atol=1e-6)


def test_a_step_takes_the_stated_time() -> None:
    slept: list[float] = []
    SimulatedModel(TIMES, width=1, longest=512, sleep=slept.append).start(step([[1] * 100, [2] * 300]))
    assert slept == [pytest.approx(0.022)]


def test_as_a_gpu_two_steps_run_by_themselves_one_behind_the_other() -> None:
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 1e-5
        return now

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    gpu = SimulatedModel(TIMES.model_copy(update={"launch_ms": 1.0}), width=1, longest=512, sleep=sleep, clock=clock)
    wait_for_both = [gpu.start(step([[1] * 400])) for _ in range(gpu.steps_in_flight)]
    assert len(wait_for_both) == 2
    assert now == pytest.approx(0.002, abs=1e-4)  # launched, and not waited for
    for wait in wait_for_both:
        wait()
    assert now == pytest.approx(0.001 + 2 * 0.022, abs=1e-3)
