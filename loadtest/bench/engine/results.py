"""Timings to figures: documents a second, and ratios as medians of paired rounds."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from rich.table import Table

from loadtest.bench.engine.contenders import PRODUCTS
from loadtest.bench.engine.race import Timing

Figures = dict[str, float]
# What else a set measures of a contender: (its timing, all timings, the reference's first).
Judge = Callable[[Timing, list[Timing]], Figures]


@dataclass(frozen=True, slots=True)
class Result:
    """A contender on a set.

    batch: its size, None where it cuts its own. Ratios are of speeds, None where there is nobody to compare with:
    to_best_exact_peer, to_rival (the same precision elsewhere), to_default (sentence-transformers as it comes).
    figures: what the set measures besides, by a name of FORMATS.
    """

    set: str
    contender: str
    batch: int | None
    documents_per_s: float
    to_best_exact_peer: float | None
    to_rival: float | None
    to_default: float | None
    figures: Figures


# Title of a column and how its values are shown.
FORMATS: dict[str, tuple[str, str]] = {
    "to_best_exact_peer": ("to best exact peer", "×{:.2f}"),
    "to_rival": ("to its rival", "×{:.2f}"),
    "to_default": ("to default", "×{:.1f}"),
    "gflops": ("GFLOP/s", "{:.0f}"),
    "share_of_product_rate": ("of product rate", "{:.0%}"),
    "delta": ("max |Δ|", "{:.0e}"),
    "rank_correlation": ("Spearman", "{:.4f}"),
    "top_10_agreement": ("top-10 agreement", "{:.4f}"),
    "mrr_10": ("MRR@10", "{:.4f}"),
}
RATIOS = ("to_best_exact_peer", "to_rival", "to_default")


def paired_ratio(theirs: list[float], own: list[float]) -> float:
    """How many times faster: the median over rounds of their seconds to one's own."""
    return median(a / b for a, b in zip(theirs, own, strict=True))


def results(name: str, documents: int, timings: list[Timing], judge: Judge) -> list[Result]:
    """A set's results; a contender that has a default comes twice, first with that.

    documents: in the timed work. timings: the reference's first.
    """
    reference = timings[0]
    seconds = {timing.contender.name: timing.seconds for timing in timings}
    exact = min((timing.seconds for timing in timings if timing.contender.exact_peer), key=median)

    def result(timing: Timing, label: str) -> Result:
        own, rival = timing.seconds, timing.contender.rival
        return Result(
            set=name,
            contender=label,
            batch=timing.batch,
            documents_per_s=documents / median(own),
            to_best_exact_peer=paired_ratio(exact, own),
            to_rival=paired_ratio(seconds[rival], own) if rival in seconds else None,
            to_default=reference.default_s / median(own) if reference.default_s else None,
            figures=judge(timing, timings),
        )

    found = []
    for timing in timings:
        contender = timing.contender
        if contender is PRODUCTS:
            continue
        if timing.default_s is not None:
            unasked = Timing(
                contender, contender.default_batch, [timing.default_s] * len(timing.seconds), None, timing.answer
            )
            found.append(result(unasked, f"{contender.name}, default"))
        found.append(result(timing, contender.name))
    return found


def table(title: str, found: list[Result]) -> Table:
    """The results of a set."""
    shown = Table(title=title)
    shown.add_column("contender")
    columns = [*RATIOS, *found[0].figures]
    for column in ("batch", "documents/s", *(FORMATS[name][0] for name in columns)):
        shown.add_column(column, justify="right")
    for one in found:
        values = [getattr(one, name) for name in RATIOS] + [one.figures.get(name) for name in found[0].figures]
        cells = [
            "–" if value is None else FORMATS[name][1].format(value)
            for name, value in zip(columns, values, strict=True)
        ]
        shown.add_row(one.contender, str(one.batch or "–"), f"{one.documents_per_s:.2f}", *cells)
    return shown
