import json

import pytest

from loadtest.bench.serving.overload import Answer, Outcome
from loadtest.bench.serving.texts import ModelTexts
from loadtest.server.deployment import TOKENS_PER_S

TOKENS = 17_283


def test_a_request_has_exactly_the_tokens_that_it_is_said_to_have() -> None:
    texts = ModelTexts()
    documents = texts.documents_of(TOKENS)
    assert texts.passages(documents).total_tokens == TOKENS
    assert len(set(documents)) == len(documents)
    assert json.loads(texts.body(documents))["documents"] == documents


def test_goodput_is_what_was_answered_of_what_the_device_can_do_until_the_last_answer() -> None:
    answers = [Answer(200, 10.0, 10.0), Answer(200, 20.0, 20.0), Answer(429, 30.0, 0.1), Answer(0, 60.0, 60.0)]
    outcome = Outcome("at once", 2, answers)
    assert outcome.goodput == pytest.approx(2 * TOKENS / (TOKENS_PER_S * 20))
    assert outcome.counts() == "1 × no answer, 2 × 200, 1 × 429"
    assert (outcome.seconds(200), outcome.seconds(408)) == ("10.00 / 20.00", "–")
    assert Outcome("at once", 2, [Answer(408, 61.0, 61.0)]).goodput == 0
