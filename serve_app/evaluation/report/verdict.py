"""What the figures say, in sentences that say no more than they do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from serve_app.domain.price import NANO_DOLLARS
from serve_app.evaluation.excerpt import excerpt
from serve_app.evaluation.outcome import Depth, Outcome
from serve_app.evaluation.report import figures
from serve_app.evaluation.report.orders import counted, judged, lead, mean_moved
from serve_app.web.formats import duration, listed, plural

Tone = Literal["good", "bad", "neutral"]
FEW = 30  # queries, below which a bootstrap's intervals are known to be too narrow


@dataclass(frozen=True, slots=True)
class Verdict:
    """A sentence, and how it is meant."""

    text: str
    tone: Tone = "neutral"


def headline(outcome: Outcome) -> Verdict:
    """Whether reranking helps on these data, by the measure that leads."""
    if not outcome.change:
        return _alone(outcome)
    measure, first = lead(outcome), _first(outcome)
    before, after, change = outcome.before[measure], outcome.after[measure], outcome.change[measure]
    means = f"{figures.mean(before)} to {figures.mean(after)}"
    noise = f"{figures.change(change)}, 95 % interval {figures.change_interval(change)}"
    noise += f", {figures.p_value(change.p_value)}"
    found = figures.direction(change)
    if found:
        verb = "raises" if found > 0 else "lowers"
        return Verdict(f"Reranking {first} {verb} {measure} from {means} ({noise}).", "good" if found > 0 else "bad")
    if (count := counted(outcome, measure)) == 1:
        return Verdict(f"One query cannot tell whether reranking {first} helps: {measure} goes from {means} ({noise}).")
    shown = f"these {count:,} queries show"
    return Verdict(f"Reranking {first} makes no difference to {measure} that {shown}: from {means} ({noise}).")


def _alone(outcome: Outcome) -> Verdict:
    """What can be said where there are no two figures to compare."""
    if not outcome.queries:
        return Verdict("No query was ranked, so nothing is known.")
    if outcome.after:
        after, model = outcome.after[lead(outcome)], excerpt(outcome.scorer.model, 100)
        return Verdict(
            f"{model} ranks with {lead(outcome)} {figures.mean(after)} (95 % interval {figures.interval(after)}). The "
            "candidates came in no order, so there is nothing to compare it with."
        )
    if not outcome.collection.first_stage:
        return Verdict("Nobody has judged a document, and the candidates came in no order: nothing can be said yet.")
    return Verdict(
        f"Reranking {_first(outcome)} puts another document on {figures.percent(mean_moved(outcome))} of the first ten "
        "places. Whether that is better nobody can say before some pairs are judged."
    )


def _first(outcome: Outcome) -> str:
    return f"the first {plural(outcome.k, 'document')}"


def advice(outcome: Outcome) -> Verdict | None:
    """The depth that pays: the smallest that raises the leading measure and is not shown to be below the best depth.

    None where one depth only was asked for, or nobody has judged.
    """
    measure, depths = lead(outcome), outcome.depths
    if len(depths) < 2 or not all(measure in depth.figures for depth in depths):
        return None
    best = _best(outcome)
    if not all(measure in depth.gain and measure in depth.behind for depth in depths):
        return Verdict(f"{measure} is highest at {best.k:,}; whether by more than chance was not tested.")
    if (pays := paying(outcome)) is None:
        if any(figures.direction(depth.gain[measure]) > 0 for depth in depths):
            return Verdict(
                f"No depth both raises {measure} beyond chance and keeps up with the highest, at {best.k:,}."
            )
        return Verdict(f"No depth raises {measure} beyond chance: on these queries none of them is shown to pay.")
    if pays.k == best.k:
        rest = "that is the highest, and smaller depths are below it by more than chance or raise nothing"
        rest = rest if pays.k > depths[0].k else "no depth is above it"
    else:
        behind = pays.behind[measure]
        rest = (
            f"the highest is {figures.mean(best.figures[measure])} at {best.k:,}, and the difference "
            f"({figures.change(behind)}, 95 % interval {figures.change_interval(behind)}) is not shown to be more than "
            "chance"
        )
    costs = [f"{duration(pays.seconds)} a query"] if pays.timed else []
    if pays.usd_per_1k_queries is not None:
        costs.append(f"{figures.price(pays.usd_per_1k_queries)} for 1,000 queries")
    cost = f" at {listed(costs)}" if costs else ""
    return Verdict(
        f"The depth that pays is {pays.k:,}: {measure} {figures.mean(pays.figures[measure])}{cost}; {rest}.", "good"
    )


def paying(outcome: Outcome) -> Depth | None:
    """The smallest depth that raises the leading measure and is not shown to be below the best one."""
    measure = lead(outcome)
    if len(outcome.depths) < 2 or not all(
        measure in depth.gain and measure in depth.behind for depth in outcome.depths
    ):
        return None
    raising = [depth for depth in outcome.depths if figures.direction(depth.gain[measure]) > 0]
    near = [depth for depth in raising if figures.direction(depth.behind[measure]) >= 0]
    return min(near, key=lambda depth: depth.k, default=None)


def _best(outcome: Outcome) -> Depth:
    """The depth with the highest mean of the leading measure; of equal ones the smallest."""
    return max(outcome.depths, key=lambda depth: (depth.figures[lead(outcome)].mean, -depth.k))


def cautions(outcome: Outcome) -> Sequence[str]:
    """What a reader must know before the figures are believed."""
    found, count = [], counted(outcome, lead(outcome))
    unjudged = len(outcome.queries) - len(judged(outcome))
    if outcome.after and unjudged:
        found.append(f"{plural(unjudged, 'query', 'queries')} without a relevant document count in no figure.")
    if outcome.after and 1 < count < FEW:
        found.append(
            f"With {plural(count, 'query', 'queries')} the intervals are rough, and too narrow rather than too wide."
        )
    return found


def depth_named(depths: Sequence[Depth], k: int) -> Depth | None:
    """The depth of a k, if it was asked for."""
    return next((depth for depth in depths if depth.k == k), None)


def usd_per_1k_queries(outcome: Outcome) -> float | None:
    """What 1,000 queries cost at the depth of the outcome; None where no price is known."""
    if depth := depth_named(outcome.depths, outcome.k):
        return depth.usd_per_1k_queries
    if outcome.nano_dollars and outcome.queries:
        return outcome.nano_dollars / len(outcome.queries) * 1_000 / NANO_DOLLARS
    return None
