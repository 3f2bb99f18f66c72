from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.domain.errors import UserError
from serve_app.evaluation.data.trec_run import trec_order
from tests.evaluation.data.files import BEIR, plain, read, write

RUN = "1 Q0 d2 1 3.5 bm25\n1 Q0 d1 2 9 bm25\n1 Q0 d3 3 3.5 bm25\n2 Q0 d1 1 -1e3 bm25\n"


def test_a_runs_documents_are_candidates_by_score_and_its_tag_is_the_first_stage(tmp_path: Path) -> None:
    write(tmp_path, {**BEIR, "run.trec": RUN})
    collection, _ = read(tmp_path, candidates=tmp_path / "run.trec")
    assert plain(collection.candidates) == {"1": ["d1", "d3", "d2"], "2": ["d1"]}
    assert (collection.first_stage, collection.fully_judged) == ("bm25", False)


@given(
    st.dictionaries(
        st.text("aBé9", min_size=1, max_size=3), st.sampled_from([0.0, -0.0, 1.0, 1 + 1e-12, 1e39, 2.0, -1.0])
    )
)
def test_documents_are_in_the_order_of_trec_eval(scores: dict[str, float]) -> None:
    pytrec_eval = pytest.importorskip("pytrec_eval")
    for place, document in enumerate(trec_order(scores), 1):
        evaluator = pytrec_eval.RelevanceEvaluator({"q": {document: 1}}, {"recip_rank"})
        assert evaluator.evaluate({"q": scores})["q"]["recip_rank"] == 1 / place


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1 Q0 d1 1 9 bm25", "line 5 ('d1'): the run has this document before, for the same query"),
        ("1 Q0 d9 1 9 bm25", "line 5 ('d9'): names a document that is not there"),
        ("3 Q0 d1 1 9 bm25", "line 5 ('3'): names a query that is not there"),
        ("2 Q0 d2 1 nan bm25", "line 5 ('nan'): the score is no number"),
        ("2 Q0 d2 1 9", "line 5 (5): not 6 columns"),
    ],
)
def test_a_line_that_cannot_be_used_is_set_aside(tmp_path: Path, line: str, said: str) -> None:
    write(tmp_path, {**BEIR, "run.trec": RUN + line})
    collection, lines = read(tmp_path, candidates=tmp_path / "run.trec")
    assert plain(collection.candidates) == {"1": ["d1", "d3", "d2"], "2": ["d1"]}
    assert said in lines[0]


def test_a_query_that_the_run_leaves_out_is_remarked_and_a_run_of_other_ids_refused(tmp_path: Path) -> None:
    write(tmp_path, {**BEIR, "run.trec": "1 Q0 d2 1 3.5 bm25\n", "other.trec": "1 Q0 x 1 3.5 bm25\n", "empty.trec": ""})
    collection, said = read(tmp_path, candidates=tmp_path / "run.trec")
    assert plain(collection.candidates) == {"1": ["d2"], "2": []}
    assert "queries without candidates: 1 ('2'); nothing is ranked for them" in said
    for name in ("other.trec", "empty.trec"):
        with pytest.raises(UserError, match=f"{name}: no candidate in it"):
            read(tmp_path, candidates=tmp_path / name)
