import pytest

from serve_app.domain.errors import UserError
from serve_app.evaluation.collection import Collection
from serve_app.evaluation.data.narrow import sample_queries
from serve_app.evaluation.faults import Faults

COLLECTION = Collection(
    "numbers",
    {str(number): f"query {number}" for number in range(100)},
    {"d": "text"},
    {str(number): {"d": 1} for number in range(50)},
    {str(number): ["d"] for number in range(100)},
)


def test_some_queries_are_the_same_ones_each_time_and_take_along_what_is_theirs() -> None:
    faults = Faults(strict=True)
    sample = sample_queries(COLLECTION, 10, faults)
    assert sample == sample_queries(COLLECTION, 10, Faults())
    assert sample.queries != sample_queries(COLLECTION, 10, Faults(), seed=1).queries
    assert len(sample.queries) == 10
    assert list(sample.queries) == [query for query in COLLECTION.queries if query in sample.queries]
    assert set(sample.candidates or {}) == set(sample.queries)
    assert set(sample.judgements) == set(sample.queries) & set(COLLECTION.judgements)
    assert faults.lines == ["10 of 100 queries, drawn at random with seed 0"]


def test_as_many_as_there_are_is_the_collection_itself_and_none_is_refused() -> None:
    assert sample_queries(COLLECTION, 100, Faults()) is COLLECTION
    with pytest.raises(UserError, match="at least 1"):
        sample_queries(COLLECTION, 0, Faults())
