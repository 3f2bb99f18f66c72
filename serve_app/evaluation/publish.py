"""An outcome is kept where the model's page shows it."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from serve_app.catalog.measured import add_run
from serve_app.domain.errors import UserError
from serve_app.domain.measured import Interval, MeasuredRun
from serve_app.evaluation.outcome import Figure, Outcome
from serve_app.evaluation.report.orders import counted


def publish(outcome: Outcome, folder: Path) -> Path:
    """Keep an outcome among its model's results. Returns the file.

    folder: the operator's (`Settings.results`). What is served shows it from its next start on. Raises UserError where
    nobody has judged, or the file cannot be written.
    """
    return add_run(folder, outcome.scorer.model, measured_run(outcome))


def measured_run(outcome: Outcome) -> MeasuredRun:
    """What of an outcome is shown on the model's page. Raises UserError where there is no quality to show."""
    name = outcome.collection.name
    if not outcome.after:
        raise UserError(
            f"{name}: no query has a relevant document, so there is no quality to publish: judge some first"
        )
    ranked = sum(min(outcome.k, len(query.before)) for query in outcome.queries)
    depth = next((each for each in outcome.depths if each.k == outcome.k), None)
    usd = outcome.scorer.usd_per_1k_documents
    measures = [each for each in outcome.measures if each in outcome.after]
    try:
        return MeasuredRun(
            dataset=name,
            measures=_intervals({each: outcome.after[each] for each in measures}),
            before=_intervals({each: outcome.before[each] for each in measures if each in outcome.before}),
            queries=counted(outcome, measures[0]),
            documents=ranked,
            k=outcome.k,
            first_stage=outcome.collection.first_stage,
            precision=outcome.scorer.precision,
            machine=outcome.scorer.machine,
            command=outcome.command,
            at=datetime.fromisoformat(outcome.at),
            usd_per_1k_queries=None if usd is None else float(f"{Decimal(usd) * ranked / len(outcome.queries):.4g}"),
            # A query's time is only told where it was asked alone.
            seconds_per_query=depth.seconds if depth and depth.timed else None,
        )
    except ValueError as error:
        raise UserError(f"{name}: cannot be published: {error}") from None


def _intervals(figures: Mapping[str, Figure]) -> dict[str, Interval]:
    return {name: Interval(figure.mean, figure.low, figure.high).rounded() for name, figure in figures.items()}
