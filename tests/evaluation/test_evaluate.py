import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import resolve
from serve_app.domain.errors import UserError
from serve_app.evaluation.collection import Collection
from serve_app.evaluation.evaluate import evaluate
from serve_app.evaluation.first_stage import bm25
from serve_app.evaluation.in_process import engine_scorer
from serve_app.evaluation.kept import KeptScores
from serve_app.evaluation.metrics import measure, values
from serve_app.evaluation.outcome import Outcome
from serve_app.evaluation.scorer import Scorer
from serve_app.settings import EMBEDDED_MODEL
from tests.evaluation.scorers import FACTS, Overlap

DOCUMENTS = {"d1": "red", "d2": "red fish", "d3": "blue", "d4": "red fish swims", "d5": "fish"}
FISHES = Collection(
    "fishes",
    queries={"q1": "red fish swims", "q2": "blue"},
    documents=DOCUMENTS,
    judgements={"q1": {"d4": 2, "d2": 1}, "q2": {"d3": 1}},
    candidates={"q1": ["d1", "d2", "d3", "d4", "d5"], "q2": ["d1", "d3"]},
    first_stage="by id",
)


def changed(**fields: Any) -> Collection:
    return Collection(**{name: getattr(FISHES, name) for name in Collection.__slots__} | fields)


@pytest.fixture
def kept(tmp_path: Path) -> KeptScores:
    return KeptScores.open(tmp_path, FACTS)


async def run(
    kept: KeptScores, scorer: Scorer, collection: Collection = FISHES, ks: Sequence[int] = (5,), **options: Any
) -> Outcome:
    asked = {"measures": ["nDCG@10", "MRR@10"], "command": "rayrank eval", "at": "2026-01-01T00:00:00Z"} | options
    return await evaluate(collection, scorer, ks=ks, kept=kept, **asked)


async def test_an_outcome_says_how_good_the_order_is_before_and_after(kept: KeptScores) -> None:
    outcome = await run(kept, Overlap(), timed_queries=0)
    first, second = outcome.queries
    assert (first.before, first.after) == (["d1", "d2", "d3", "d4", "d5"], ["d4", "d2", "d1", "d5", "d3"])
    assert (first.scores["d4"], first.scores["d3"]) == (3, 0)
    assert (first.before_values["MRR@10"], first.after_values["MRR@10"]) == (0.5, 1)
    assert (second.before_values["MRR@10"], second.after_values["MRR@10"]) == (0.5, 1)
    assert (outcome.before["MRR@10"].mean, outcome.after["MRR@10"].mean) == (0.5, 1)
    assert (outcome.change["MRR@10"].mean, outcome.change["MRR@10"].better) == (0.5, 2)
    assert outcome.measures == ["nDCG@10", "MRR@10"]
    assert (outcome.k, [depth.k for depth in outcome.depths], outcome.remarks) == (5, [5], [])
    assert (outcome.documents, outcome.tokens, outcome.nano_dollars, outcome.seconds) == (7, 49, 56_000, 1.75)


async def test_whatever_was_asked_is_in_what_was_spent(kept: KeptScores) -> None:
    scorer = Overlap()
    outcome = await run(kept, scorer, ks=[2, 5], timed_queries=2)
    assert outcome.documents == scorer.pairs


async def test_every_depth_follows_from_one_scoring(kept: KeptScores) -> None:
    scorer = Overlap()
    outcome = await run(kept, scorer, ks=[2, 1, 4], timed_queries=0)
    assert scorer.pairs == 4 + 2
    assert outcome.queries[0].after == ["d4", "d2", "d1", "d3", "d5"]  # the fifth stays where it was
    assert [(depth.k, depth.moved) for depth in outcome.depths] == [(1, 0), (2, (2 / 5 + 1) / 2), (4, (3 / 5 + 1) / 2)]
    by_depth = [depth.figures["MRR@10"].mean for depth in outcome.depths]
    assert by_depth == [outcome.before["MRR@10"].mean, 1, 1]
    assert [depth.usd_per_1k_queries for depth in outcome.depths] == [0.008, 0.016, 0.024]
    assert [depth.gain["MRR@10"].mean for depth in outcome.depths] == [0, 0.5, 0.5]
    assert [depth.behind["MRR@10"].mean for depth in outcome.depths] == [-0.5, 0, 0]
    assert {(depth.timed, depth.seconds) for depth in outcome.depths} == {(0, 0.0)}


async def test_a_depth_is_timed_by_asking_alone_at_that_depth(kept: KeptScores) -> None:
    scorer, told = Overlap(), []
    outcome = await run(kept, scorer, ks=[1, 5], timed_queries=1, watch=lambda *each: told.append(each))
    assert [(depth.timed, depth.seconds, depth.slow_seconds) for depth in outcome.depths] == [
        (1, 0.25, 0.25),
        (1, 1.25, 1.25),
    ]
    assert [len(documents) for _, documents in scorer.asked] == [5, 2, 1, 1, 5]  # all, a first one to warm up, timed
    assert outcome.documents == scorer.pairs  # each is paid
    assert told == [(5, 13), (7, 13), (8, 13), (13, 13)]


async def test_a_second_run_asks_nothing_and_finds_the_same(kept: KeptScores) -> None:
    first = await run(kept, Overlap(), ks=[1, 5])
    silent = Overlap(fails_after=0)
    assert await run(KeptScores(kept.path), silent, ks=[1, 5]) == first
    other = await run(kept, silent, changed(judgements={"q1": {"d1": 1}}), ks=[5], measures=["MAP"])
    assert set(other.after) == {"MAP"}


async def test_a_run_that_was_stopped_goes_on(kept: KeptScores) -> None:
    with pytest.raises(UserError, match=r"^query 'q2': the server is gone$"):
        await run(kept, Overlap(fails_after=1), at_once=1)
    scorer = Overlap()
    whole = await run(KeptScores(kept.path), scorer, timed_queries=0)
    assert [query for query, _ in scorer.asked] == ["blue"]
    assert whole.documents == 7


async def test_a_cancelled_run_keeps_what_was_answered(kept: KeptScores) -> None:
    class Slow(Overlap):
        async def score(self, query: str, documents: Sequence[str], *, alone: bool = False) -> Any:
            if query == "blue":
                await asyncio.Event().wait()
            return await super().score(query, documents)

    task = asyncio.create_task(run(kept, Slow()))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert KeptScores(kept.path).missing("red fish swims", list(DOCUMENTS.values())) == []


async def test_only_so_many_queries_are_asked_at_once_and_all_are_told(kept: KeptScores) -> None:
    scorer, told = Overlap(), []
    many = changed(
        queries={f"q{number}": f"red {number}" for number in range(20)},
        candidates={f"q{number}": ["d1", "d3"] for number in range(20)},
        judgements={},
    )
    await run(kept, scorer, many, at_once=3, timed_queries=0, watch=lambda *each: told.append(each))
    assert scorer.most_at_once == 3
    assert told == [(2 * number, 40) for number in range(1, 21)]


async def test_without_judgements_the_change_of_order_is_all_that_is_known(kept: KeptScores) -> None:
    outcome = await run(kept, Overlap(), changed(judgements={}), ks=[1, 5])
    assert (outcome.before, outcome.after, outcome.change, outcome.remarks) == ({}, {}, {}, [])
    assert outcome.depths[1].figures == outcome.depths[1].gain == outcome.depths[1].behind == {}
    assert outcome.depths[1].moved == (4 / 5 + 1) / 2
    assert outcome.queries[0].after_values == {}


async def test_judgements_without_a_relevant_document_are_said(kept: KeptScores) -> None:
    outcome = await run(kept, Overlap(), changed(judgements={"q1": {"d1": 0}}), remarks=["one"])
    assert outcome.after == {}
    assert outcome.remarks == ["one", "no query has a relevant document: nothing can be said of quality"]


async def test_a_query_without_candidates_is_said_and_counts_nothing(kept: KeptScores) -> None:
    outcome = await run(kept, Overlap(), changed(candidates={"q1": FISHES.candidates["q1"], "q9": ["d1"]}))
    assert [each.id for each in outcome.queries] == ["q1"]
    assert outcome.after["MRR@10"].mean == 0.5
    said = outcome.remarks
    assert said[0] == "queries without candidates: 1; those with a relevant document count 0 before and after"
    assert said[1] == "queries with candidates and without a text: 1; they are left out"


UNORDERED = changed(first_stage="", fully_judged=True)


async def test_where_the_order_means_nothing_there_is_no_before_and_ties_are_the_measures(kept: KeptScores) -> None:
    def flat(query: str, text: str) -> float:
        return 1.0

    outcome = await run(kept, Overlap(flat), UNORDERED, ks=())
    assert (outcome.before, outcome.change, outcome.k) == ({}, {}, 5)
    tied: Mapping[str, Mapping[str, float]] = {
        query: dict.fromkeys(documents, 1.0) for query, documents in (UNORDERED.candidates or {}).items()
    }
    expected = values(tied, UNORDERED.judgements, [measure("MRR@10")])["MRR@10"]
    assert {each.id: each.after_values["MRR@10"] for each in outcome.queries} == expected


@pytest.mark.parametrize("ks", [[1, 5], [4]])
async def test_where_the_order_means_nothing_no_depth_can_be_chosen(kept: KeptScores, ks: list[int]) -> None:
    with pytest.raises(UserError, match="the candidates of fishes come in no order"):
        await run(kept, Overlap(), UNORDERED, ks=ks)


@pytest.mark.parametrize(
    ("collection", "message"),
    [
        (changed(candidates=None), "fishes has no candidates to rerank; find some among its documents: --first bm25"),
        (changed(candidates={"q1": []}), "fishes: no query has a candidate to rerank"),
        (changed(candidates={"q1": ["d1", "d2", "d1"]}), "query 'q1': the document 'd1' is twice among"),
        (changed(candidates={"q1": ["d9"]}), "query 'q1': the document 'd9' has no text"),
    ],
)
async def test_what_cannot_be_ranked_is_named(kept: KeptScores, collection: Collection, message: str) -> None:
    scorer = Overlap()
    with pytest.raises(UserError, match=message):
        await run(kept, scorer, collection)
    assert scorer.asked == []


@pytest.mark.parametrize(
    ("options", "message"), [({"ks": [0, 5]}, "k must be 1"), ({"measures": ["x"]}, "measure 'x'")]
)
async def test_what_is_asked_wrongly_costs_nothing(kept: KeptScores, options: Any, message: str) -> None:
    scorer = Overlap()
    with pytest.raises(UserError, match=message):
        await run(kept, scorer, **options)
    assert scorer.asked == []


async def test_a_score_that_is_no_number_is_refused(kept: KeptScores) -> None:
    with pytest.raises(UserError, match=r"query 'q1': org/overlap gave .* no number"):
        await run(kept, Overlap(lambda query, text: float("nan")), at_once=1)
    assert not kept.path.read_bytes()


@given(
    st.dictionaries(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=2),
        st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 3).map(float), min_size=1),
        min_size=1,
        max_size=4,
    ),
    st.sets(st.integers(1, 9), min_size=1, max_size=3),
)
def test_figures_are_those_of_the_rankings_that_are_shown(
    tmp_path_factory: pytest.TempPathFactory, scores: dict[str, dict[str, float]], ks: set[int]
) -> None:
    """Scores are looked up by query and document; what is relevant, by the document's name."""
    collection = Collection(
        "c",
        queries={query: query for query in scores},
        documents={name: name for name in "abcdefgh"},
        judgements={query: {"a": 1, "b": 2} for query in scores},
        candidates={query: list(given) for query, given in scores.items()},
        first_stage="chance",
    )
    kept = KeptScores(tmp_path_factory.mktemp("kept") / "scores.jsonl")
    scorer = Overlap(lambda query, text: scores[query][text])
    outcome = asyncio.run(run(kept, scorer, collection, sorted(ks), measures=["P@1"], timed_queries=0))
    for each in outcome.queries:
        assert each.before_values["P@1"] == (each.before[0] in "ab")
        assert each.after_values["P@1"] == (each.after[0] in "ab")


async def test_the_embedded_model_reranks_what_bm25_found(tmp_path: Path) -> None:
    collection = Collection(
        "cities",
        queries={"q": "What is the capital of France?"},
        documents={
            "b": "The capital of what is called France's neighbour is Berlin.",
            "a": "France: its capital is the city of Paris, where two million people live.",
            "c": "Bananas are yellow.",
        },
        judgements={"q": {"a": 1}},
    )
    found = bm25(collection, 10)
    assert found.candidates is not None
    assert sorted(found.candidates["q"]) == ["a", "b"]
    async with engine_scorer(resolve(EMBEDDED_MODEL, load_catalog())) as scorer:
        outcome = await run(KeptScores.open(tmp_path, scorer.facts), scorer, found, ks=[1, 2])
    assert outcome.queries[0].after == ["a", "b"]
    assert outcome.after["MRR@10"].mean == 1
    assert (outcome.scorer.model, outcome.scorer.embeds, outcome.scorer.usd_per_1k_documents) == (
        EMBEDDED_MODEL,
        True,
        "0.001",
    )
    assert all(depth.seconds > 0 for depth in outcome.depths)
