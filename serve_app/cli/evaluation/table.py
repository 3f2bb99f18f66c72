"""An outcome on a terminal."""

from collections.abc import Collection as Container
from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from serve_app.domain.price import format_usd
from serve_app.evaluation.collection import Collection
from serve_app.evaluation.excerpt import excerpt
from serve_app.evaluation.outcome import Depth, Difference, Figure, Outcome
from serve_app.evaluation.worst import worst
from serve_app.web.formats import plural

SHOWN_CHARACTERS = 90  # of a text
SHOWN_ABOVE = 3  # documents above the right one
MILLISECONDS = 1_000


def show_outcome(outcome: Outcome, *, already_told: Container[str] = (), worst_queries: int) -> None:
    """Print the figures, what they cost, and the queries that did worst. already_told: remarks left out."""
    console = Console(highlight=False)
    scorer, collection = outcome.scorer, outcome.collection
    count = plural(len(outcome.queries), "query", "queries")
    console.print(
        f"{escape(scorer.model)} on {escape(collection.name)}: {count}{_staged(collection)}",
        soft_wrap=True,
    )
    if outcome.after:
        console.print(_changed(outcome) if outcome.before else _figures(outcome.after))
    if outcome.depths:
        console.print(_depths(outcome))
    if not outcome.after:
        console.print(
            "nobody has judged, so that nothing is known of quality: --sheet writes pairs to judge", soft_wrap=True
        )
    cost = f", ${format_usd(outcome.nano_dollars)}" if outcome.nano_dollars else ""
    console.print(f"scored: {outcome.documents:,} documents, {outcome.tokens:,} tokens{cost}")
    for remark in outcome.remarks:
        if remark in already_told:
            continue
        console.print(escape(remark), soft_wrap=True, style="yellow")
    if worst_queries and outcome.after:
        _show_worst(console, outcome, worst_queries)


def _staged(collection: Collection) -> str:
    return f", candidates by {escape(_short_stage(collection))}" if collection.first_stage else ""


def _short_stage(collection: Collection) -> str:
    """The first stage without its settings."""
    return collection.first_stage.partition(" (")[0]


def _figures(figures: Mapping[str, Figure]) -> Table:
    table = Table("measure", "value", "95 % interval", box=None)
    for name, figure in figures.items():
        table.add_row(name, f"{figure.mean:.4f}", _interval(figure))
    return table


def _changed(outcome: Outcome) -> Table:
    stage = escape(_short_stage(outcome.collection))
    table = Table("measure", stage, f"{outcome.k:,} reranked", "change", "95 % interval", "p", box=None)
    for name, after in outcome.after.items():
        change = outcome.change[name]
        cells = (f"{outcome.before[name].mean:.4f}", f"{after.mean:.4f}", f"{change.mean:+.4f}", _interval(change))
        table.add_row(name, *cells, f"{change.p_value:.2g}")
    return table


def _interval(figure: Figure | Difference) -> str:
    signed = "+" if isinstance(figure, Difference) else ""
    return f"{figure.low:{signed}.4f} to {figure.high:{signed}.4f}"


def _depths(outcome: Outcome) -> Table:
    quality = (outcome.measures[0], "95 % interval") if outcome.after else ("first ten moved",)
    table = Table("k", *quality, "ms a query", "slowest 5 %", "$ for 1,000 queries", box=None)
    for depth in outcome.depths:
        table.add_row(f"{depth.k:,}", *_quality(depth, outcome.measures[0]), *_effort(depth))
    return table


def _quality(depth: Depth, lead: str) -> tuple[str, ...]:
    figure = depth.figures.get(lead)
    return (f"{depth.moved:.0%}",) if figure is None else (f"{figure.mean:.4f}", _interval(figure))


def _effort(depth: Depth) -> tuple[str, str, str]:
    usd = depth.usd_per_1k_queries
    typical, slow = (f"{seconds * MILLISECONDS:,.0f}" for seconds in (depth.seconds, depth.slow_seconds))
    return typical, slow, "unknown" if usd is None else f"{usd:,.4f}"


def _show_worst(console: Console, outcome: Outcome, count: int) -> None:
    lead, failures = outcome.measures[0], worst(outcome, count)
    if failures:
        console.print("\nThe queries that did worst, and what stood above the right answer:")
    for failure in failures:
        query, above = failure.query, failure.above
        text = _short(outcome.collection.queries[query.id])
        console.print(f"  {lead} {query.after_values[lead]:.4f}  {_short(query.id)}: {text}", soft_wrap=True)
        for document in above[:SHOWN_ABOVE]:
            console.print(f"      {_short(document)}: {_short(outcome.collection.documents[document])}", soft_wrap=True)
        if len(above) > SHOWN_ABOVE:
            console.print(f"      and {len(above) - SHOWN_ABOVE:,} more")


def _short(text: str) -> str:
    return escape(excerpt(text, SHOWN_CHARACTERS))
