"""The charts of the report."""

import math
from collections import Counter
from dataclasses import replace

from serve_app.evaluation.outcome import Outcome, QueryOutcome
from serve_app.evaluation.report.figures import plain, signed
from serve_app.evaluation.report.figures import price as dollars
from serve_app.evaluation.report.orders import gain, judged, lead
from serve_app.web.chart import Chart, Estimate, Tick, along, moves, stacked
from serve_app.web.formats import duration

DEPTH = "documents reranked"
WIDTHS = (0.01, 0.02, 0.05, 0.1)  # of a bar
MOST_BARS = 10  # to either side of no change
SMALLEST = 1e-9  # change that is one


def quality(outcome: Outcome, measure: str) -> Chart:
    """A measure over the depth, with its intervals; at 0 stands the candidates' own order."""
    points = [Estimate(0, each.mean, each.low, each.high) for each in [outcome.before.get(measure)] if each]
    points += [
        Estimate(depth.k, found.mean, found.low, found.high)
        for depth in outcome.depths
        if (found := depth.figures.get(measure))
    ]
    chart = along(
        f"{measure} by depth", {measure: points}, x=DEPTH, write=plain, unit="95 % intervals", from_zero=False
    )
    return replace(chart, x_title=f"{DEPTH}; upright: not from 0")


def latency(outcome: Outcome) -> Chart | None:
    """Seconds of a query over the depth; None where no query was timed."""
    if not all(depth.timed for depth in outcome.depths):
        return None
    series = {
        "median": [Estimate(depth.k, depth.seconds) for depth in outcome.depths],
        "95th percentile": [Estimate(depth.k, depth.slow_seconds) for depth in outcome.depths],
    }
    return along("Time of a query by depth", series, x=DEPTH, write=duration, unit="asked alone")


def price(outcome: Outcome) -> Chart | None:
    """Dollars of 1,000 queries over the depth; None where no price is known."""
    points = [
        Estimate(depth.k, depth.usd_per_1k_queries) for depth in outcome.depths if depth.usd_per_1k_queries is not None
    ]
    return along("Price of 1,000 queries by depth", {"price": points}, x=DEPTH, write=dollars) if points else None


def changes(outcome: Outcome) -> Chart:
    """How many queries changed by how much."""
    measure = lead(outcome)
    gains = [gain(query, measure) for query in judged(outcome)]
    furthest = max(map(abs, gains), default=0.0)
    width = next((width for width in WIDTHS if furthest <= width * MOST_BARS * 1.000_001), WIDTHS[-1])
    bars = max(1, min(MOST_BARS, math.ceil(furthest / width - SMALLEST)))
    counts = Counter(_bar(each, width, bars) for each in gains)
    stacks = {}
    for bar in range(-bars, bars + 1):
        part = "better" if bar > 0 else "worse" if bar < 0 else "the same"
        stacks[_range(bar, width)] = {part: float(counts[bar])} if counts[bar] else {}
    chart = stacked(
        f"Change of {measure}, query by query",
        stacks,
        write=lambda value: f"{value:,.4g}",
        first="change",
        parts_in_order=("better", "worse", "the same"),
    )
    end = bars * width
    ticks = [Tick(0, signed(-end, 2)), Tick(50, "0"), Tick(100, signed(end, 2))]
    return replace(chart, x_ticks=ticks, y_title="queries")


def _bar(value: float, width: float, bars: int) -> int:
    """The number of the bar that has a change: 0 has none, 1 more than 0 up to a width, -1 the same downwards."""
    if abs(value) < SMALLEST:
        return 0
    place = min(bars, math.ceil(abs(value) / width - SMALLEST))
    return place if value > 0 else -place


def _range(bar: int, width: float) -> str:
    if not bar:
        return "no change"
    near, far = (abs(bar) - 1) * width, abs(bar) * width
    sign = 1 if bar > 0 else -1
    begin = f"more than {signed(sign * near, 2)}" if near else "more than 0"
    return f"{begin}, up to {signed(sign * far, 2)}"


def moves_of(query: QueryOutcome, title: str) -> Chart:
    """How one query's documents change places."""
    places = {document: place for place, document in enumerate(query.before)}
    return moves(title, {"before": range(len(query.before)), "after": [places[each] for each in query.after]})
