from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from serve_app.catalog.measured import read_results
from serve_app.domain.errors import UserError
from serve_app.domain.measured import Interval
from serve_app.evaluation.collection import Collection
from serve_app.evaluation.outcome import Depth, Figure, Outcome, QueryOutcome
from serve_app.evaluation.publish import publish
from serve_app.evaluation.scorer import ScorerFacts

DATA = Collection("Cranfield", {"q": "x", "r": "y"}, {}, first_stage="BM25")
OUTCOME = Outcome(
    collection=DATA,
    scorer=ScorerFacts("org/model", "bfloat16", "2 cores", "f", usd_per_1k_documents="0.008"),
    k=2,
    command="rayrank eval",
    at="2026-01-31T12:00:00Z",
    measures=["nDCG@10", "MAP"],
    before={"nDCG@10": Figure(0.1, 0.05, 0.15)},
    after={"MAP": Figure(0.5, 0.4, 0.6), "nDCG@10": Figure(1 / 3, 0.2, 0.4)},
    change={},
    queries=[
        QueryOutcome("q", "abc", "bac", {}, {"nDCG@10": 1 / 3}, {}),
        QueryOutcome("r", "a", "a", {}, {}, {}),  # nobody has judged it
    ],
    depths=[Depth(1, {}, 0.1, 0.2, 20, 0.008, 0), Depth(2, {}, 0.25, 0.4, 20, 0.012, 0)],
    remarks=[],
    seconds=5,
    documents=30,
    tokens=1,
    nano_dollars=1,
)


def test_an_outcome_is_kept_among_its_models_results(tmp_path: Path) -> None:
    results = read_results(publish(OUTCOME, tmp_path))
    (run,) = results.measured
    assert results.model == "org/model"
    assert list(run.measures.items()) == [
        ("nDCG@10", Interval(0.333333, 0.2, 0.4)),
        ("MAP", Interval(0.5, 0.4, 0.6)),
    ]
    assert run.before == {"nDCG@10": Interval(0.1, 0.05, 0.15)}
    assert (run.dataset, run.first_stage, run.k, run.queries, run.documents) == ("Cranfield", "BM25", 2, 1, 3)
    assert (run.precision, run.machine, run.command) == ("bfloat16", "2 cores", "rayrank eval")
    assert run.at == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert run.usd_per_1k_queries == pytest.approx(0.012)
    assert run.seconds_per_query == 0.25


def test_what_is_not_known_is_not_told(tmp_path: Path) -> None:
    free = replace(OUTCOME, depths=[], scorer=replace(OUTCOME.scorer, usd_per_1k_documents=None, precision=""))
    (run,) = read_results(publish(free, tmp_path)).measured
    assert (run.usd_per_1k_queries, run.seconds_per_query, run.precision) == (None, None, "")


def test_without_judgements_there_is_nothing_to_publish(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Cranfield: no query has a relevant document"):
        publish(replace(OUTCOME, before={}, after={}), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_page_cannot_show_is_refused_by_its_field(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Cranfield: cannot be published: command must be on one line"):
        publish(replace(OUTCOME, command="rayrank\neval"), tmp_path)
