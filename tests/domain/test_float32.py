import numpy as np
import pytest

from serve_app.domain.float32 import shortest, shortest_each

RANDOM = np.random.default_rng(0)
NUMBERS = {
    "any bits": RANDOM.integers(0, 2**32, 50_000, dtype=np.uint32).view(np.float32),
    "vectors": (RANDOM.standard_normal(20_000) * 0.05).astype(np.float32),
    "scores": (1 / (1 + np.exp(-6 * RANDOM.standard_normal(20_000)))).astype(np.float32),
    "short": RANDOM.random(5_000).round(3).astype(np.float32),
    "ties": np.arange(-1_000, 1_000, dtype=np.float32) / 8,
    "powers of two": np.ldexp(np.float32(1), np.arange(-149, 128)),
    "around them": np.nextafter(np.ldexp(np.float32(1), np.arange(-149, 128)), np.float32(0)),
    "ends": np.array([0, -0.0, 1, np.finfo(np.float32).max, np.finfo(np.float32).tiny, 1e-45], dtype=np.float32),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_many_at_once_are_as_each_alone(name: str) -> None:
    numbers = NUMBERS[name][np.isfinite(NUMBERS[name])]
    assert shortest_each(numbers).tolist() == [shortest(number) for number in numbers]


def test_the_shape_is_kept_and_the_sign_of_zero() -> None:
    assert shortest_each(np.full((2, 3), 0.1, dtype=np.float32)).tolist() == [[0.1] * 3] * 2
    assert shortest_each([]).tolist() == []
    assert np.signbit(shortest_each([-0.0])).all()
