"""The tables of the report, as texts."""

from collections.abc import Sequence
from dataclasses import dataclass

from serve_app.evaluation.outcome import Depth, Difference, Figure, Outcome
from serve_app.evaluation.report import figures
from serve_app.evaluation.report.orders import counted
from serve_app.evaluation.report.verdict import paying
from serve_app.web.formats import duration


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in a table. below: in small print under it."""

    text: str
    below: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Heading and rows; the first cell of a row names it."""

    caption: str
    heading: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def measures(outcome: Outcome) -> Table:
    """Each measure before and after, with the change where there is one."""
    caption = "Means over the judged queries, and their 95 % intervals."
    if not outcome.change:
        rows = [(Cell(each), _mean(outcome.after[each])) for each in outcome.measures]
        return Table(caption, ("measure", "mean"), rows)
    heading = ("measure", "before", "after", "change", "p", "better", "worse", "the same")
    return Table(caption, heading, [_measure_row(outcome, each) for each in outcome.measures])


def _measure_row(outcome: Outcome, measure: str) -> Sequence[Cell]:
    change = outcome.change[measure]
    counts = change.better, change.worse, counted(outcome, measure) - change.better - change.worse
    return (
        Cell(measure),
        _mean(outcome.before[measure]),
        _mean(outcome.after[measure]),
        _change(change),
        Cell(figures.p_value(change.p_value).removeprefix("p = ").removeprefix("p ")),
        *(Cell(f"{count:,}") for count in counts),
    )


def depths(outcome: Outcome) -> Table:
    """What each depth gives, takes and costs."""
    named = [each for each in outcome.measures if all(each in depth.figures for depth in outcome.depths)]
    gained = bool(named) and all(named[0] in depth.gain for depth in outcome.depths)
    priced = any(depth.usd_per_1k_queries is not None for depth in outcome.depths)
    timed = all(depth.timed for depth in outcome.depths)
    heading = ["depth", *named[:1], *(["change"] if gained else [])]
    heading += [
        *(["median time", "95th percentile"] if timed else []),
        *(["1,000 queries"] if priced else []),
        "moved",
        *named[1:],
    ]
    pays = paying(outcome)
    rows = []
    for depth in outcome.depths:
        row = [
            Cell(f"{depth.k:,}", "pays" if depth is pays else ""),
            *(_mean(depth.figures[each]) for each in named[:1]),
        ]
        row += [_change(depth.gain[named[0]])] if gained else []
        row += [Cell(duration(depth.seconds)), Cell(duration(depth.slow_seconds))] if timed else []
        row += [_price(depth)] if priced else []
        rows.append([*row, Cell(figures.percent(depth.moved)), *(_mean(depth.figures[each]) for each in named[1:])])
    caption = "Depth: documents reranked for each query. Moved: of the first ten places, those with another document."
    return Table(caption, heading, rows)


def _mean(figure: Figure) -> Cell:
    return Cell(figures.mean(figure), figures.interval(figure))


def _change(difference: Difference) -> Cell:
    return Cell(figures.change(difference), figures.change_interval(difference))


def _price(depth: Depth) -> Cell:
    usd = depth.usd_per_1k_queries
    return Cell(figures.UNKNOWN if usd is None else figures.price(usd))
