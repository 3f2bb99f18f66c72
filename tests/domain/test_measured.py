import math
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from serve_app.domain.measured import Interval, MeasuredRun, PrecisionCheck

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
RUN = MeasuredRun(
    dataset="Cranfield",
    measures={"nDCG@10": Interval(0.41, 0.37, 0.45), "MAP": Interval(0.3, 0.2, 0.4)},
    before={"nDCG@10": Interval(0.37, 0.33, 0.41)},
    queries=225,
    documents=22_500,
    k=100,
    first_stage="BM25",
    precision="float32",
    machine="2 cores",
    command="rayrank eval cranfield",
    at=AT,
    usd_per_1k_queries=0.8,
    seconds_per_query=0.25,
)
CHECK = PrecisionCheck(
    precision="bfloat16",
    dataset="WordNet",
    queries=400,
    pairs=8_000,
    rank_correlation=0.9998,
    top_1=0.9975,
    top_10=0.9991,
    largest_difference=0.012,
    changes={"nDCG@10": Interval(-0.0002, -0.0011, 0.0006)},
    machine="2 cores",
    command="rayrank eval precision",
    at=AT,
)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dataset": " "}, "dataset must not be empty"),
        ({"dataset": "a\nb"}, "dataset must be on one line"),
        ({"machine": "m" * 201}, "machine must have 200 characters at most; got 201"),
        ({"command": ""}, "command must not be empty"),
        ({"queries": 0}, "queries must be above 0; got 0"),
        ({"measures": {}}, "measures must not be empty"),
        ({"measures": {"MAP": Interval(0.5, 0.4, 1.5)}, "before": {}}, "measures['MAP'] must be from 0 to 1"),
        ({"before": {"MRR@10": Interval(0.5, 0.4, 0.6)}}, "before has 'MRR@10', which measures has not"),
        ({"seconds_per_query": math.nan}, "seconds_per_query must be 0 or more"),
        ({"at": AT.replace(tzinfo=None)}, "at must name its time zone"),
    ],
)
def test_a_run_that_cannot_be_is_refused_by_its_field(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        replace(RUN, **changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"precision": ""}, "precision must not be empty"),
        ({"top_1": 1.01}, "top_1 must be from 0 to 1"),
        ({"rank_correlation": math.nan}, "rank_correlation must be from -1 to 1"),
        ({"largest_difference": math.inf}, "largest_difference must be from 0"),
        ({"changes": {"MAP": Interval(0, -2, 0)}}, "changes['MAP'] must be from -1 to 1"),
    ],
)
def test_a_check_that_cannot_be_is_refused_by_its_field(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        replace(CHECK, **changes)


@pytest.mark.parametrize("values", [(0.5, 0.6, 0.4), (math.nan, 0.1, 0.2), (0.1, -math.inf, 0.2)])
def test_an_interval_has_an_order_and_an_end(values: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="low must not be above high"):
        Interval(*values)


def test_a_run_takes_the_place_of_an_older_one_of_the_same_setting_alone() -> None:
    later = AT + timedelta(days=1)
    assert replace(RUN, at=later, command="anew").replaces(RUN)
    assert not RUN.replaces(replace(RUN, at=later))
    for other in ({"dataset": "x"}, {"k": 50}, {"precision": "int8"}, {"first_stage": ""}):
        assert not replace(RUN, at=later, **other).replaces(RUN)
