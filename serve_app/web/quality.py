"""What was measured of a model, as its page and the comparison show it."""

from collections.abc import Mapping, Sequence

from serve_app.domain.measured import MeasuredRun, PrecisionCheck
from serve_app.web.catalogue import Listed

EXACT = "float32"
MOST_RUNS = 12  # on a page, and in a comparison


def checks_in_use(model: Listed) -> list[PrecisionCheck]:
    """The checks of the precision that a model's replicas here compute in, the newest first."""
    precision = model.state.precision if model.state else None
    return [check for check in model.facts.precision_checks if check.precision == precision]


def measured_rows(models: Sequence[Listed]) -> Mapping[str, list[float | None]]:
    """The leading measure of each run, 0 to 1 for each model, by words that say what was measured.

    Only runs of the same data set, depth and first stage stand in one row. Of several precisions that one counts in
    which a model's replicas here compute, else the newest.
    """
    found = [_by_setting(model) for model in models]
    names = list(dict.fromkeys(name for each in found for name in each))[:MOST_RUNS]
    return {name: [each.get(name) for each in found] for name in names}


def _by_setting(model: Listed) -> dict[str, float]:
    in_use = model.state.precision if model.state else None
    figures: dict[str, float] = {}
    for run in sorted(model.facts.measured, key=lambda run: run.precision != in_use):  # stable: the newest first
        name, figure = next(iter(run.measures.items()))
        figures.setdefault(f"{run.dataset}, {name} measured, {ranked(run)}", figure.mean)
    return figures


def ranked(run: MeasuredRun) -> str:
    """What a run put into order: "the first 100 of BM25", "100 candidates of each query at most"."""
    if run.first_stage:
        return f"the first {run.k:,} of {run.first_stage}"
    return f"up to {run.k:,} candidates a query"
