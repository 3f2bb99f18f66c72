"""Charts: what is drawn, and where. Places and sizes are in percent of the drawing, from its upper left corner.

Numbers here, marks in templates/charts.html: text keeps its size at any width, since only curves are scaled.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from serve_app.web.formats import number

Write = Callable[[float], str]  # how a chart's figures are written


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle. series: whose it is, by number. title: what a pointer over it is told."""

    x: float
    y: float
    width: float
    height: float
    series: int
    title: str


@dataclass(frozen=True, slots=True)
class Curve:
    """From point to point."""

    points: Sequence[tuple[float, float]]
    series: int

    @property
    def marks(self) -> str:
        """The points, as SVG writes them."""
        return " ".join(f"{round(x, 2):g},{round(y, 2):g}" for x, y in self.points)


@dataclass(frozen=True, slots=True)
class Dot:
    """A point with a name. left: whether the name stands to the left of it."""

    x: float
    y: float
    label: str
    title: str
    left: bool
    series: int = 0


@dataclass(frozen=True, slots=True)
class Whisker:
    """How far from its figure the truth may be: an upright line from low to high."""

    x: float
    top: float
    bottom: float
    series: int = 0


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing, and the same as a table (heading and rows), for whoever cannot see it."""

    title: str
    heading: Sequence[str]
    rows: Sequence[Sequence[str]]
    y_ticks: Sequence[Tick] = ()
    x_ticks: Sequence[Tick] = ()
    series: Sequence[str] = ()
    bars: Sequence[Bar] = ()
    curves: Sequence[Curve] = ()
    dots: Sequence[Dot] = ()
    whiskers: Sequence[Whisker] = ()
    x_title: str = ""
    y_title: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not (self.bars or self.curves or self.dots)


def top_of(highest: float) -> float:
    """The end of an axis from 0 that has room for this: 1, 2 or 5 times a power of ten."""
    if highest < 1e-300:  # of less there is no power of ten
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest))
    return next(step * power for step in (1.0, 2.0, 5.0, 10.0) if step * power >= highest * 0.999_999)


def ticks(top: float, write: Write = number) -> list[Tick]:
    """Top, middle and 0 of an upright axis."""
    return [Tick(0, write(top)), Tick(50, write(top / 2)), Tick(100, "0")]


def stacked(
    title: str,
    stacks: Mapping[str, Mapping[str, float]],
    *,
    write: Write = number,
    first: str = "day",
    labels: int = 3,
    parts_in_order: Sequence[str] = (),
) -> Chart:
    """Bars of parts that add up. stacks: by what stands below a bar, then by part.

    first: what the bars are of. labels: how many of them are named on the axis. parts_in_order: all parts; by name
    where there are none.
    """
    series = parts_in_order or sorted({part for parts in stacks.values() for part in parts})
    top = top_of(max((sum(parts.values()) for parts in stacks.values()), default=0))
    step, bars = 100 / max(len(stacks), 1), []
    for place, (name, parts) in enumerate(stacks.items()):
        y = 100.0
        for part in series:
            if value := parts.get(part, 0):
                height = 100 * value / top
                y -= height
                title_of = f"{name} {part}: {write(value)}"
                bars.append(Bar(place * step + step * 0.1, y, step * 0.8, height, series.index(part), title_of))
    every = max(1, math.ceil(len(stacks) / labels))
    x_ticks = [Tick((place + 0.5) * step, name) for place, name in enumerate(stacks) if place % every == 0]
    rows = [(name, *(write(parts.get(part, 0)) for part in series)) for name, parts in stacks.items() if parts]
    return Chart(title, (first, *series), rows, ticks(top, write), x_ticks, series, bars=bars)


def over_time(
    title: str,
    times: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
    *,
    unit: str = "",
    listed: Sequence[bool] | None = None,
) -> Chart:
    """Lines over moments at equal distances; a value of None leaves a gap, and one between two gaps is a point.

    listed: whether the table has a moment; None where it has all that have a value.
    """
    top = top_of(max((value for values in series.values() for value in values if value is not None), default=0))
    step, curves, dots = 100 / max(len(times) - 1, 1), [], []
    for place_of, (name, values) in enumerate(series.items()):
        for run in _runs(values):
            points = [(place * step, 100 - 100 * value / top) for place, value in run]
            if len(points) > 1:
                curves.append(Curve(points, place_of))
            else:
                ((place, value),), ((x, y),) = run, points
                dots.append(Dot(x, y, "", f"{times[place]} {name}: {number(value)}", left=False, series=place_of))
    every = max(1, math.ceil(len(times) / 3))
    x_ticks = [Tick(place * step, name) for place, name in enumerate(times) if place % every == 0]
    found = zip(times, *series.values(), strict=True)
    rows = [
        (time, *("" if value is None else number(value) for value in values))
        for place, (time, *values) in enumerate(found)
        if (listed is None or listed[place]) and any(value is not None for value in values)
    ]
    heading, y_ticks = ("minute (UTC)", *series), ticks(top)
    return Chart(title, heading, rows, y_ticks, x_ticks, list(series), curves=curves, dots=dots, y_title=unit)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure at a size, and where it is one, the interval that the truth is probably in."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


def along(
    title: str,
    series: Mapping[str, Sequence[Estimate]],
    *,
    x: str,
    write: Write = number,
    unit: str = "",
    from_zero: bool = True,
) -> Chart:
    """Lines over a size that goes from 0 to the largest, with a point for each figure. x: what the size is.

    from_zero: whether the upright axis begins at 0. Otherwise it is as long as the figures and their intervals need,
    which is to be said in the unit.
    """
    found = [each for estimates in series.values() for each in estimates]
    heading, rows = (x, *series), _along_rows(series, write)
    if not found:
        return Chart(title, heading, rows)
    ends = [end for each in found for end in (each.y, each.low, each.high) if end is not None]
    bottom, top = (0.0, top_of(max(ends))) if from_zero else _around(min(ends), max(ends))
    right = max(each.x for each in found) or 1.0

    def height(value: float) -> float:
        return 100 * (top - value) / (top - bottom)

    curves, dots, whiskers = [], [], []
    for place, (name, estimates) in enumerate(series.items()):
        points = [(100 * each.x / right, height(each.y)) for each in estimates]
        if len(points) > 1:
            curves.append(Curve(points, place))
        for each, (at_x, at_y) in zip(estimates, points, strict=True):
            dots.append(Dot(at_x, at_y, "", f"{name} at {number(each.x)}: {_written(each, write)}", False, place))
            if each.low is not None and each.high is not None:
                whiskers.append(Whisker(at_x, height(each.high), height(each.low), place))
    y_ticks = [Tick(0, write(top)), Tick(50, write((top + bottom) / 2)), Tick(100, write(bottom) if bottom else "0")]
    x_ticks = _apart([Tick(100 * size / right, number(size)) for size in sorted({0.0, *(each.x for each in found)})])
    return Chart(
        title, heading, rows, y_ticks, x_ticks, list(series), (), curves, dots, whiskers, x_title=x, y_title=unit
    )


def _along_rows(series: Mapping[str, Sequence[Estimate]], write: Write) -> list[tuple[str, ...]]:
    by_size = [{each.x: _written(each, write) for each in estimates} for estimates in series.values()]
    sizes = sorted(set().union(*by_size))
    return [(number(size), *(figures.get(size, "") for figures in by_size)) for size in sizes]


def _written(estimate: Estimate, write: Write) -> str:
    if estimate.low is None or estimate.high is None:
        return write(estimate.y)
    return f"{write(estimate.y)} ({write(estimate.low)} to {write(estimate.high)})"


def _around(low: float, high: float) -> tuple[float, float]:
    """The ends of an axis that has room for all between, at whole steps of it."""
    step = top_of(max(high - low, 1e-9)) / 10
    bottom, top = math.floor(low / step) * step, math.ceil(high / step) * step
    return bottom, top if top > bottom else bottom + step


def _apart(marks: Sequence[Tick]) -> list[Tick]:
    """Marks without those whose label would touch the next one on a phone; the last one stays."""
    kept: list[Tick] = []
    for mark in reversed(marks):
        if not kept or kept[-1].at - mark.at > 2 + 2.5 * len(mark.label + kept[-1].label) / 2:
            kept.append(mark)
    return kept[::-1]


def _runs(values: Iterable[float | None]) -> list[list[tuple[int, float]]]:
    """What stands between gaps, with its places."""
    runs: list[list[tuple[int, float]]] = [[]]
    for place, value in enumerate(values):
        if value is not None:
            runs[-1].append((place, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


@dataclass(frozen=True, slots=True)
class Place:
    """A model in a scatter."""

    name: str
    x: float
    y: float


def scatter(title: str, places: Sequence[Place], *, x: str, y: str, write_x: Write = number) -> Chart:
    """Points with names, both axes as wide as the points need. x, y: what the axes are of."""
    heading, rows = ("model", x, y), [(each.name, write_x(each.x), number(each.y)) for each in places]
    if not places:
        return Chart(title, heading, rows)
    right = top_of(max(each.x for each in places) * 1.05)
    low, high = min(each.y for each in places), max(each.y for each in places)
    bottom, top = math.floor(low - 1), math.ceil(high + 1)
    dots = []
    for each in places:
        at_x, at_y = 100 * each.x / right, 100 * (top - each.y) / (top - bottom)
        title_of = f"{each.name}: {x} {write_x(each.x)}, {y} {number(each.y)}"
        dots.append(Dot(at_x, at_y, each.name, title_of, left=at_x > 50))
    y_ticks = [Tick(0, number(top)), Tick(50, number((top + bottom) / 2)), Tick(100, number(bottom))]
    x_ticks = [Tick(0, "0"), Tick(50, write_x(right / 2)), Tick(100, write_x(right))]
    return Chart(title, heading, rows, y_ticks, x_ticks, dots=dots, x_title=x, y_title=y)


def moves(title: str, sides: Mapping[str, Sequence[int]], *, most: int = 12, named: int = 5) -> Chart:
    """How documents change places from one ranking to the next: a line for each.

    sides: the order of the documents in each ranking, best first, by its name. most: places that are drawn. named: how
    many of the last ranking's best are in colours of their own; the others share the last one.
    """
    names, orders = list(sides), list(sides.values())
    count = min(max(map(len, orders), default=0), most)
    if len(names) < 2 or count < 2:
        return Chart(title, (), ())
    colours = {document: series for series, document in enumerate(orders[-1][:named])}
    step, curves, dots = 100 / (len(names) - 1), [], []
    places = [{document: place for place, document in enumerate(order[:count])} for order in orders]
    for document in sorted(set().union(*places), key=lambda each: (-colours.get(each, named), each)):
        series = colours.get(document, named)
        for run in _runs(place.get(document) for place in places):
            points = [(side * step, 100 * place / (count - 1)) for side, place in run]
            if len(points) > 1:
                curves.append(Curve(points, series))
            for (side, place), (x, y) in zip(run, points, strict=True):
                title_of = f"document {document + 1}, place {place + 1} in {names[side]}"
                dots.append(Dot(x, y, "", title_of, left=False, series=series))
    y_ticks = [Tick(100 * place / (count - 1), str(place + 1)) for place in range(count)]
    x_ticks = [Tick(side * step, name) for side, name in enumerate(names)]
    shown = orders[-1][:most]
    wanted = set(shown)
    where = [{each: place for place, each in enumerate(order, 1) if each in wanted} for order in orders]
    rows = [(f"document {document + 1}", *(f"{place[document]:,}" for place in where)) for document in shown]
    return Chart(title, ("document", *names), rows, y_ticks, x_ticks, curves=curves, dots=dots)
