"""A document's score is its own: no neighbour, cut or order changes it."""

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.loaded import Engine

QUERY = "the capital of a country"
WORDS = ["a", "river", "bank", "money of the", "light", "green year", "巴黎", "Zürich", "banana", "<pad>", "🍌"]

texts = st.lists(st.sampled_from(WORDS), max_size=90).map(" ".join)
documents = st.lists(texts, min_size=1, max_size=12)


def assert_same_scores(found: np.ndarray, expected: np.ndarray) -> None:
    """Equal within 1e-5, and in the same order wherever scores differ by more than 2e-5."""
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)
    differ = np.abs(expected[:, None] - expected) > 2e-5
    np.testing.assert_array_equal((found[:, None] > found)[differ], (expected[:, None] > expected)[differ])


@settings(max_examples=25)
@given(documents)
def test_a_score_does_not_depend_on_the_other_documents(one_of_each_head: Engine, batch: list[str]) -> None:
    alone = np.array([one_of_each_head.scores(QUERY, [text])[0] for text in batch])
    assert_same_scores(one_of_each_head.scores(QUERY, batch), alone)


@settings(max_examples=25)
@given(documents, st.integers(2, 13))
def test_a_score_does_not_depend_on_the_number_of_shards(
    one_of_each_head: Engine, batch: list[str], shards: int
) -> None:
    assert_same_scores(one_of_each_head.scores(QUERY, batch, shards), one_of_each_head.scores(QUERY, batch))


@settings(max_examples=25)
@given(documents, st.randoms())
def test_a_score_does_not_depend_on_the_order(
    one_of_each_head: Engine, batch: list[str], chance: random.Random
) -> None:
    order = list(range(len(batch)))
    chance.shuffle(order)
    shuffled = one_of_each_head.scores(QUERY, [batch[i] for i in order])
    assert_same_scores(shuffled, one_of_each_head.scores(QUERY, batch)[order])
