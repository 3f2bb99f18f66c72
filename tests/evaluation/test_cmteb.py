from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from serve_app.domain.errors import UserError
from serve_app.evaluation.metrics import CMTEB_MEASURES, measure, values

MEASURES = [measure(name) for name in CMTEB_MEASURES]
MAP, MRR = CMTEB_MEASURES

# Few values, so that ties are common; neighbours among doubles, too.
score = st.sampled_from([-1.5, 0.0, 0.1, np.nextafter(0.1, 1)]) | st.floats(-100, 100)
scores = st.lists(score, min_size=1, max_size=40)


def original(positives: list[float], negatives: list[float]) -> tuple[float, float]:
    """What C_MTEB's ChineseRerankingEvaluator (FlagEmbedding, 2023) and mteb 1.1's RerankingEvaluator say: AP and RR.

    Their lines, but that the sort is stable.
    """
    is_relevant = [True] * len(positives) + [False] * len(negatives)
    pred_scores = np.array([*positives, *negatives])
    pred_scores_argsort = np.argsort(-pred_scores, kind="stable")
    mrr_score = 0.0
    for rank, index in enumerate(pred_scores_argsort[:10]):
        if is_relevant[index]:
            mrr_score = 1 / (rank + 1)
            break
    return average_precision_score(is_relevant, pred_scores), mrr_score


def ours(positives: list[float], negatives: list[float]) -> tuple[float, float]:
    run = {f"p{place}": score for place, score in enumerate(positives)}
    run |= {f"n{place}": score for place, score in enumerate(negatives)}
    found = values({"q": run}, {"q": {name: int(name.startswith("p")) for name in run}}, MEASURES)
    return found[MAP]["q"], found[MRR]["q"]


@settings(max_examples=300)
@given(scores, scores)
def test_map_and_mrr_are_the_evaluators(positives: list[float], negatives: list[float]) -> None:
    assert ours(positives, negatives) == pytest.approx(original(positives, negatives), rel=0, abs=1e-12)


@given(scores, scores, st.randoms())
def test_the_order_in_which_documents_come_changes_nothing(
    positives: list[float], negatives: list[float], chance: Random
) -> None:
    run = {f"p{place}": score for place, score in enumerate(positives)}
    run |= {f"n{place}": score for place, score in enumerate(negatives)}
    shuffled = list(run)
    chance.shuffle(shuffled)
    judged = {"q": {name: int(name.startswith("p")) for name in run}}
    found = values({"q": {name: run[name] for name in shuffled}}, judged, MEASURES)
    assert (found[MAP]["q"], found[MRR]["q"]) == pytest.approx(ours(positives, negatives), rel=0, abs=1e-12)


@given(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=40, unique=True), st.integers(1, 40))
def test_without_ties_they_are_trec_evals(distinct: list[float], positives: int) -> None:
    run = {str(place): score for place, score in enumerate([*distinct, 101.0])}
    judged = {name: int(int(name) < min(positives, len(distinct))) for name in run}
    found = values({"q": run}, {"q": judged}, [*MEASURES, measure("MAP"), measure("MRR@10")])
    assert found[MAP]["q"] == pytest.approx(found["MAP"]["q"], rel=0, abs=1e-12)
    assert found[MRR]["q"] == pytest.approx(found["MRR@10"]["q"], rel=0, abs=1e-12)


def test_one_score_for_all_is_first_by_mrr_and_chance_by_map() -> None:
    assert ours([0.5], [0.5] * 3) == (1 / 4, 1)


def test_queries_without_positive_or_without_negative_are_left_out() -> None:
    run = {"both": {"a": 1.0, "b": 2.0}, "right": {"a": 1.0}, "wrong": {"b": 1.0}}
    judgements = {"both": {"a": 1, "b": 0}, "right": {"a": 1}, "wrong": {"b": 0}}
    assert values(run, judgements, MEASURES) == {MAP: {"both": 0.5}, MRR: {"both": 0.5}}


@pytest.mark.parametrize("run", [{}, {"q": {"a": 1.0}}])
def test_a_run_that_lacks_candidates_is_refused(run: dict[str, dict[str, float]]) -> None:
    with pytest.raises(UserError, match="query 'q' has no score for document"):
        values(run, {"q": {"a": 1, "b": 0}}, MEASURES)
