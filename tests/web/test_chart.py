import math
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serve_app.web.chart import Estimate, Place, along, moves, over_time, scatter, stacked, top_of
from serve_app.web.formats import money

AMOUNT = st.floats(0, 1e9, allow_nan=False)


@given(st.floats(1e-9, 1e12))
def test_an_axis_has_room_and_wastes_little(highest: float) -> None:
    top = top_of(highest)
    assert highest * 0.999 <= top <= highest * 2.6
    assert round(top / 10.0 ** math.floor(math.log10(top * 1.000_001)), 6) in {1, 2, 5}


@given(st.dictionaries(st.text(max_size=5), st.dictionaries(st.sampled_from("abc"), AMOUNT), max_size=40))
@example({"a": {"a": 5e-324}})
def test_bars_stand_on_one_another_inside_the_drawing(stacks: dict[str, dict[str, float]]) -> None:
    chart = stacked("spent", stacks)
    for bar in chart.bars:
        assert -0.001 <= bar.x <= bar.x + bar.width <= 100.001
        assert -0.001 <= bar.y <= bar.y + bar.height <= 100.001
    highest = max((sum(parts.values()) for parts in stacks.values()), default=0)
    if highest > 1e-300:
        by_x: dict[float, float] = {}
        for bar in chart.bars:
            by_x[bar.x] = by_x.get(bar.x, 0) + bar.height
        assert max(by_x.values()) == pytest.approx(100 * highest / top_of(highest))


def test_a_gap_is_a_gap_and_a_lone_minute_a_point() -> None:
    chart = over_time("latency", ["a", "b", "c", "d", "e"], {"p50": [1.0, 2.0, None, 4.0, None]})
    assert [curve.marks for curve in chart.curves] == ["0,80 25,60"]
    assert [(dot.x, dot.title) for dot in chart.dots] == [(75, "d p50: 4")]
    assert [row[0] for row in chart.rows] == ["a", "b", "d"]


def test_a_line_without_gaps_is_one_mark() -> None:
    chart = over_time("rate", [str(minute) for minute in range(60)], {"rate": list(map(float, range(60)))})
    assert [len(curve.points) for curve in chart.curves] == [60]
    assert not chart.dots


def test_the_table_has_the_moments_that_are_worth_it() -> None:
    chart = over_time("rate", ["a", "b", "c"], {"rate": [0.0, 12_345.0, 2.0]}, listed=[False, True, False])
    assert chart.rows == [("b", "12,345")]
    assert len(chart.curves[0].points) == 3


@given(st.dictionaries(st.text("ab", max_size=5), st.dictionaries(st.sampled_from("abc"), st.integers(1, 10**15))))
def test_small_sums_are_told_to_the_last_digit(stacks: dict[str, dict[str, float]]) -> None:
    chart = stacked("spent", stacks, write=money)
    told = [cell for row in chart.rows for cell in row[1:]] + [tick.label for tick in chart.y_ticks[:2]]
    assert all(re.fullmatch(r"\$[\d,]+\.\d{2,10}", each) for each in told), told
    assert all(
        bar.title.endswith(money(stacks[bar.title.split(" ")[0]][chart.series[bar.series]])) for bar in chart.bars
    )


def test_a_bill_of_some_micro_dollars_is_told_in_plain_decimals() -> None:
    chart = stacked("spent", {"1 Nov": {"model": 4_000}}, write=money)
    assert [tick.label for tick in chart.y_ticks] == ["$0.000005", "$0.0000025", "0"]
    assert chart.rows == [("1 Nov", "$0.000004")]
    assert chart.bars[0].title == "1 Nov model: $0.000004"


def test_nothing_gives_an_empty_drawing() -> None:
    assert over_time("latency", [], {"p50": []}).is_empty
    assert scatter("quality", [], x="price", y="MAP").is_empty
    assert stacked("spent", {"1 Nov": {}}).is_empty
    assert moves("moves", {"as sent": range(3)}).is_empty


def test_points_lie_where_their_figures_are() -> None:
    chart = scatter("quality", [Place("cheap", 1.0, 60.0), Place("dear", 2.0, 70.0)], x="price", y="MAP")
    cheap, dear = chart.dots
    assert cheap.x < dear.x
    assert cheap.y > dear.y
    assert (cheap.left, dear.left) == (False, False)
    assert [tick.label for tick in chart.x_ticks] == ["0", "2.5", "5"]


def test_a_document_is_drawn_from_place_to_place() -> None:
    chart = moves("moves", {"as sent": [0, 1, 2], "model": [2, 0, 1]})
    assert [curve.marks for curve in chart.curves if curve.series == 0] == ["0,100 100,0"]  # the model's best
    assert chart.rows[0] == ("document 3", "3", "1")


def test_a_document_that_leaves_the_first_places_and_comes_back_is_two_marks() -> None:
    far = list(range(20))
    chart = moves("moves", {"a": far, "b": far[1:] + far[:1], "c": far, "d": far}, named=1)
    assert [curve.marks for curve in chart.curves if curve.series == 0] == ["66.67,0 100,0"]
    assert [dot.x for dot in chart.dots if dot.series == 0] == pytest.approx([0, 200 / 3, 100])


def test_of_many_documents_the_first_places_are_drawn() -> None:
    order = list(range(1_000))
    chart = moves("moves", {"as sent": order, "model": order[::-1]})
    assert not chart.curves  # nobody stays among the first twelve
    assert all(0 <= dot.y <= 100 for dot in chart.dots)
    assert len(chart.rows) == 12
    assert chart.rows[0] == ("document 1000", "1,000", "1")


SIZES = st.integers(0, 10_000).map(float)
SHARES = st.floats(0, 1, allow_nan=False)


@given(st.lists(st.tuples(SIZES, SHARES, SHARES, SHARES), max_size=20, unique_by=lambda each: each[0]), st.booleans())
@example([(10.0, 0.5, 0.5, 0.5)], False)
@example([(0.0, 0.0, 0.0, 0.0)], True)
def test_figures_and_their_intervals_lie_inside_the_drawing(
    found: list[tuple[float, float, float, float]], from_zero: bool
) -> None:
    estimates = [Estimate(x, y, min(low, y), max(high, y)) for x, y, low, high in sorted(found)]
    chart = along("quality", {"nDCG": estimates}, x="k", from_zero=from_zero)
    assert len(chart.dots) == len(chart.whiskers) == len(chart.rows) == len(estimates)
    for dot, whisker in zip(chart.dots, chart.whiskers, strict=True):
        assert -0.001 <= whisker.top <= dot.y + 0.001
        assert dot.y - 0.001 <= whisker.bottom <= 100.001
        assert 0 <= dot.x == whisker.x <= 100


def test_a_size_stands_where_it_is_and_figures_at_their_height() -> None:
    chart = along("price", {"$": [Estimate(10, 1), Estimate(40, 4)]}, x="k")
    assert [curve.marks for curve in chart.curves] == ["25,80 100,20"]
    assert [(tick.at, tick.label) for tick in chart.x_ticks] == [(0, "0"), (25, "10"), (100, "40")]
    assert chart.rows == [("10", "1"), ("40", "4")]


def test_an_axis_that_does_not_begin_at_0_is_as_long_as_the_intervals() -> None:
    chart = along("quality", {"nDCG": [Estimate(10, 0.4, 0.32, 0.46)]}, x="k", from_zero=False)
    assert [tick.label for tick in chart.y_ticks] == ["0.46", "0.39", "0.32"]
    assert chart.rows == [("10", "0.4 (0.32 to 0.46)")]
    (whisker,), (dot,) = chart.whiskers, chart.dots
    assert (whisker.top, dot.y, whisker.bottom) == pytest.approx((0, 100 * 6 / 14, 100))


def test_sizes_that_would_touch_are_not_all_named() -> None:
    estimates = [Estimate(k, 1) for k in (990, 995, 1_000)]
    assert [tick.label for tick in along("time", {"s": estimates}, x="k").x_ticks] == ["0", "1,000"]
