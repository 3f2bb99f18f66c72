import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve_app.domain.errors import UserError
from serve_app.evaluation.metrics import DEFAULT_MEASURES, measure, values

ALL = [measure(name) for name in (*DEFAULT_MEASURES, "nDCG@1", "nDCG@3", "MAP@3", "MRR", "MRR@1", "Recall@3", "P@3")]
CUTS = [1, 3, 10, 100, 1000]

# Few values, so that ties are common; two doubles that are one float32, and one that is none.
score = st.sampled_from([-1.5, 0.0, 0.25, 3.0]) | st.sampled_from([0.1, 0.1 + 1e-12]) | st.floats(-100, 100)
documents = st.text("09aZé巴", min_size=1, max_size=3)
rankings = st.dictionaries(documents, score, min_size=1, max_size=30)
grades = st.dictionaries(documents, st.integers(-1, 3), max_size=12)
queries = st.dictionaries(st.sampled_from(["1", "2", "10", "é"]), st.tuples(rankings, grades), min_size=1)


@settings(max_examples=60)
@given(queries)
def test_every_value_is_the_one_that_mteb_computes(drawn: dict[str, tuple[dict[str, float], dict[str, int]]]) -> None:
    from mteb._evaluators.retrieval_metrics import calculate_retrieval_scores, mrr

    # Half of a query's judgements are of documents that were ranked.
    judgements = {
        query: grades | {document: place % 3 for place, document in enumerate(list(ranked)[::2])}
        for query, (ranked, grades) in drawn.items()
    }
    judgements = {query: grades for query, grades in judgements.items() if max(grades.values()) > 0}
    run = {query: drawn[query][0] for query in judgements}
    found = values(run, judgements, ALL)
    assert all(list(found[one.name]) == list(judgements) for one in ALL)
    if not judgements:
        return

    trec = calculate_retrieval_scores(run, judgements, CUTS).all_scores
    reciprocal = mrr(judgements, run, CUTS)
    for place, query in enumerate(judgements):
        own = {name: of_queries[query] for name, of_queries in found.items()}
        assert own == pytest.approx(
            {
                "nDCG@1": trec[query]["ndcg_cut_1"],
                "nDCG@3": trec[query]["ndcg_cut_3"],
                "nDCG@10": trec[query]["ndcg_cut_10"],
                "MAP": trec[query]["map_cut_1000"],
                "MAP@3": trec[query]["map_cut_3"],
                "Recall@3": trec[query]["recall_3"],
                "Recall@100": trec[query]["recall_100"],
                "P@3": trec[query]["P_3"],
                "MRR": reciprocal["MRR@1000"][place],
                "MRR@1": reciprocal["MRR@1"][place],
                "MRR@10": reciprocal["MRR@10"][place],
            },
            rel=0,
            abs=1e-12,
        )


def test_means_are_those_of_mtebs_own_table() -> None:
    from mteb._evaluators.retrieval_metrics import calculate_retrieval_scores

    judgements = {"1": {"a": 2, "b": 0, "c": 1}, "2": {"d": 1, "b": 1}, "3": {"e": 1}}
    run = {"1": {"a": 0.5, "b": 0.7, "c": 0.5}, "2": {"b": 0.1, "c": 0.2, "a": 0.2}, "3": {"e": 0.3, "a": 0.2}}
    theirs = calculate_retrieval_scores(run, judgements, CUTS)
    own = values(run, judgements, [measure(name) for name in ("nDCG@10", "MAP", "MRR@10", "Recall@1")])
    means = {name: sum(of_queries.values()) / 3 for name, of_queries in own.items()}
    assert means["nDCG@10"] == pytest.approx(theirs.ndcg["NDCG@10"], rel=0, abs=5.1e-6)
    assert means["MAP"] == pytest.approx(theirs.map["MAP@1000"], rel=0, abs=5.1e-6)
    assert means["Recall@1"] == pytest.approx(theirs.recall["Recall@1"], rel=0, abs=5.1e-6)
    assert means["MRR@10"] == pytest.approx(theirs.mrr["MRR@10"], rel=0, abs=1e-12)


def test_a_worked_example_by_hand() -> None:
    run = {"q": {"right": 3.0, "wrong": 2.0, "good": 1.0}}
    found = values(run, {"q": {"right": 1, "good": 3, "away": 1}}, ALL)
    gains, ideal = 1 + 3 / math.log2(4), 3 + 1 / math.log2(3) + 1 / math.log2(4)
    assert found["nDCG@10"]["q"] == pytest.approx(gains / ideal)
    assert found["MAP"]["q"] == pytest.approx((1 / 1 + 2 / 3) / 3)
    assert found["Recall@3"]["q"] == pytest.approx(2 / 3)
    assert found["P@3"]["q"] == pytest.approx(2 / 3)


def test_of_documents_that_tie_the_last_in_the_alphabet_is_first() -> None:
    run = {"q": {"a": 0.5, "b": 0.5}}
    for name in ("MRR@10", "MAP", "nDCG@10"):
        first = values(run, {"q": {"b": 1}}, [measure(name)])[measure(name).name]["q"]
        second = values(run, {"q": {"a": 1}}, [measure(name)])[measure(name).name]["q"]
        assert second < first == 1


def test_a_query_that_was_not_ranked_counts_nothing_and_one_without_an_answer_not_at_all() -> None:
    judgements = {"ranked": {"a": 1}, "lost": {"a": 1}, "empty": {"a": 1}, "none": {"a": 0}, "nobody": {}}
    found = values({"ranked": {"a": 0.5}, "empty": {}, "none": {"a": 0.5}, "more": {"a": 1.0}}, judgements, ALL)
    for one in ALL:
        assert found[one.name] == {"ranked": 1 / 3 if one.name == "P@3" else 1, "lost": 0, "empty": 0}


@pytest.mark.parametrize(
    ("run", "judgements", "said"),
    [
        ({"a": math.nan}, {"a": 1}, "query 'q', document 'a': the score is nan"),
        ({"a": -math.inf}, {"a": 1}, "the score is -inf"),
        (
            {"a": 1.0},
            {"a": 1, "b": 10**20},
            "query 'q', document 'b': the grade is 100000000000000000000; grades go up",
        ),
        ({"a\ud800": 1.0}, {"a": 1}, r"the id 'a\\ud800' is no text"),
        ({"a": 1.0}, {"a\0b": 1}, "without a NUL"),
    ],
)
def test_what_trec_eval_would_misread_is_refused(run: dict[str, float], judgements: dict[str, int], said: str) -> None:
    with pytest.raises(UserError, match=said if "\\" in said else re.escape(said)):
        values({"q": run}, {"q": judgements}, ALL)


def test_measures_are_known_in_any_case_and_by_any_depth() -> None:
    assert [measure(name).name for name in ("ndcg@10", "map", "Mrr@5", "RECALL@7", "p@1", "c-mteb map")] == [
        "nDCG@10",
        "MAP",
        "MRR@5",
        "Recall@7",
        "P@1",
        "C-MTEB MAP",
    ]


@pytest.mark.parametrize("name", ["", "nDCG", "nDCG@0", "MAP@-1", "MRR@1.5", "P@1000001", "C-MTEB", "f1", "MAP@٣"])
def test_a_measure_that_is_not_known_is_told_which_are(name: str) -> None:
    with pytest.raises(UserError, match="known: nDCG@k, MAP"):
        measure(name)
