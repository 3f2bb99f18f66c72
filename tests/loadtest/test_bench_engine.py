import numpy as np
import pytest
from bench_engine import LENGTHS, PAIRS, draw, flops, rank_correlation
from contenders import PAD, padded


@pytest.mark.parametrize("pairs", sorted(LENGTHS))
def test_a_set_has_the_lengths_that_it_is_named_for(pairs: str) -> None:
    median, _, fewest, most = LENGTHS[pairs]
    lengths = [row.size for row in draw(pairs, 2_000)]
    assert min(lengths) >= fewest
    assert max(lengths) <= most
    assert np.median(lengths) == pytest.approx(median, rel=0.1)
    assert lengths == sorted(lengths, reverse=True)
    assert len(draw(pairs, PAIRS[pairs])) == PAIRS[pairs]


def test_flops_are_those_of_a_hand_count() -> None:
    one_token = 12 * (2 * (4 * 768 * 768 + 2 * 768 * 3072) + 4 * 768)
    assert flops([1]) == one_token
    # Attention grows with the square: 2 tokens of one sequence attend to 4 pairs, of two sequences to 2.
    assert flops([2]) - flops([1, 1]) == 12 * 4 * 768 * 2


def test_padding_hides_behind_the_mask() -> None:
    ids = [np.array([7, 8, 9]), np.array([5, 6]), np.array([4])]

    def run(tokens: np.ndarray, mask: np.ndarray) -> np.ndarray:
        assert (tokens[mask == 0] == PAD).all()
        return (tokens * mask).sum(axis=1, keepdims=True).astype(np.float32)

    for batch in (1, 2, 3, 8):
        assert padded(ids, batch, run).tolist() == [24, 11, 4]


def test_rank_correlation_is_one_for_the_same_order_and_less_for_another() -> None:
    scores = np.array([0.1, 0.5, 0.3, 0.9], dtype=np.float32)
    assert rank_correlation(scores, scores * 2 + 1) == pytest.approx(1)
    assert rank_correlation(scores, -scores) == pytest.approx(-1)
