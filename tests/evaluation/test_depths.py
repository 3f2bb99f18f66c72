from hypothesis import given
from hypothesis import strategies as st

from serve_app.evaluation.depths import (
    Ranked,
    by_place,
    median_and_slow,
    moved,
    reranked,
    spread,
    usd_per_1k_queries,
)
from serve_app.evaluation.scorer import QueryScores

scored = st.dictionaries(st.text(max_size=3), st.integers(-2, 2).map(float), min_size=1, max_size=30)


def query(candidates: int) -> Ranked:
    documents = [str(number) for number in range(candidates)]
    return Ranked("q", "what", documents, documents)


@given(scores=scored, k=st.integers(1, 40))
def test_the_first_are_sorted_ties_stay_and_the_others_follow(scores: dict[str, float], k: int) -> None:
    candidates = list(scores)
    found = reranked(candidates, scores, k)
    assert found[k:] == candidates[k:]
    assert sorted(found[:k]) == sorted(candidates[:k])
    keys = [(-scores[document], candidates.index(document)) for document in found[:k]]
    assert keys == sorted(keys)


def test_a_place_is_worth_more_than_all_behind_it() -> None:
    assert by_place(["b", "a", "c"]) == {"b": 3, "a": 2, "c": 1}


def test_moved_counts_places_that_hold_another_document() -> None:
    assert moved(["a", "b", "c", "d"], ["a", "c", "b", "d"]) == 0.5
    long = [str(number) for number in range(100)]
    assert moved(long, long[:10] + long[:9:-1]) == 0


def test_seconds_of_nothing_are_nothing() -> None:
    assert median_and_slow([]) == (0, 0)
    assert median_and_slow([QueryScores([], seconds, 0, 0, 0) for seconds in range(101)]) == (50, 95)


def test_a_thousand_queries_cost_their_documents() -> None:
    ranked = [query(100), query(20)]
    assert usd_per_1k_queries(ranked, 50, "0.008", []) == 0.28  # 35 documents a query


def test_where_no_price_is_stated_what_was_charged_tells_it() -> None:
    charged = [QueryScores([], 1, 7, 1, nano_dollars) for nano_dollars in (100_000, 300_000)]
    assert usd_per_1k_queries([query(9)], 5, None, charged) == 0.2
    assert usd_per_1k_queries([query(9)], 5, None, []) is None


@given(total=st.integers(1, 50), count=st.integers(0, 60))
def test_queries_from_all_over_are_different_ones(total: int, count: int) -> None:
    places = [Ranked(str(place), "", [], []) for place in range(total)]
    found = spread(places, count)
    assert len({each.id for each in found}) == len(found) == min(total, count)
