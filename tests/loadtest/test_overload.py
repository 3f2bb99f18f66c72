import json

import pytest

from loadtest.bench.serving.overload import Answer, Outcome
from loadtest.bench.serving.texts import ModelTexts

TOKENS = 17_283


def test_a_request_has_exactly_the_tokens_that_it_is_said_to_have() -> None:
    texts = ModelTexts()
    documents = texts.documents_of(TOKENS)
    assert texts.passages(documents).total_tokens == TOKENS
    assert len(set(documents)) == len(documents)
    assert json.loads(texts.body(documents))["documents"] == documents


def test_goodput_is_what_was_answered_until_the_last_answer_and_compared_with_the_capacity() -> None:
    answers = [Answer(200, 10.0, 10.0), Answer(200, 20.0, 20.0), Answer(429, 30.0, 0.1), Answer(0, 60.0, 60.0)]
    outcome = Outcome("at once", 2, answers, capacity=2_000)
    assert outcome.goodput == pytest.approx(2 * TOKENS / 20)
    assert outcome.share == pytest.approx(2 * TOKENS / 20 / 2_000)
    assert outcome.counts() == "1 × no answer, 2 × 200, 1 × 429"
    assert (outcome.seconds(200), outcome.seconds(408)) == ("10.00 / 20.00", "–")
    assert Outcome("at once", 2, [Answer(408, 61.0, 61.0)], capacity=2_000).goodput == 0
