"""An outcome as one HTML file that needs no network and no script."""

import re
from base64 import b64encode
from collections.abc import Sequence
from functools import cache, partial
from hashlib import sha256
from importlib import resources
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from serve_app import __version__
from serve_app.domain.whole_file import write_whole
from serve_app.evaluation.excerpt import excerpt
from serve_app.evaluation.outcome import Outcome
from serve_app.evaluation.report import cases, figures, orders, plots, tables, verdict
from serve_app.web import formats

MOST_REMARKS, REMARK_CHARACTERS, FACT_CHARACTERS, NAME_CHARACTERS = 30, 500, 300, 100


def report_html(outcome: Outcome, sheet: str = "") -> str:
    """The report: whether reranking helps, how far down it pays, what it costs, and the queries that show it.

    sheet: name of the file in which pairs can be judged by hand, if one was written. The page allows nothing to be
    loaded (Content-Security-Policy) and its size does not grow with the number of queries.
    """
    has_judgements, is_ordered = bool(outcome.after), bool(outcome.collection.first_stage)
    return (
        _templates()
        .get_template("report.html")
        .render(
            outcome=outcome,
            facts=outcome.scorer,
            name=excerpt(outcome.collection.name, NAME_CHARACTERS),
            sheet=sheet,
            style=_style(),
            style_digest=_digest(_style()),
            icon=_icon(),
            headline=verdict.headline(outcome),
            advice=verdict.advice(outcome),
            cautions=verdict.cautions(outcome),
            is_judged=has_judgements,
            is_ordered=is_ordered,
            lead=orders.lead(outcome),
            judged=orders.counted(outcome, orders.lead(outcome)),
            at_k=verdict.depth_named(outcome.depths, outcome.k),
            usd_per_1k=verdict.usd_per_1k_queries(outcome),
            measures=tables.measures(outcome) if has_judgements else None,
            depths=tables.depths(outcome) if outcome.depths else None,
            plots=_depth_plots(outcome),
            changes=plots.changes(outcome) if outcome.change else None,
            helped=cases.helped(outcome) if outcome.change else [],
            hurt=cases.hurt(outcome) if outcome.change else [],
            worst=cases.worst(outcome) if has_judgements else [],
            unjudged=cases.unjudged(outcome) if is_ordered and not has_judgements else [],
            moves=_moves(outcome) if is_ordered and not has_judgements else [],
            mean_moved=orders.mean_moved(outcome),
            unjudged_before=orders.unjudged_share(outcome, after=False),
            unjudged_after=orders.unjudged_share(outcome, after=True),
            out_of_reach=orders.out_of_reach(outcome),
            remarks=outcome.remarks[:MOST_REMARKS],
            more_remarks=max(0, len(outcome.remarks) - MOST_REMARKS),
        )
    )


def write_report(outcome: Outcome, path: Path, sheet: str = "") -> None:
    """Write the report, whole or not at all. Raises UserError where it cannot be written."""
    write_whole(path, report_html(outcome, sheet).encode())


def _depth_plots(outcome: Outcome) -> Sequence[object]:
    if len(outcome.depths) < 2:
        return []
    measured = [each for each in outcome.measures if all(each in depth.figures for depth in outcome.depths)]
    charts = [*(plots.quality(outcome, each) for each in measured[:1]), plots.latency(outcome), plots.price(outcome)]
    return [*filter(None, charts), *(plots.quality(outcome, each) for each in measured[1:])]


def _moves(outcome: Outcome) -> Sequence[object]:
    named = [
        (query, excerpt(outcome.collection.queries.get(query.id, query.id), 60)) for query in cases.most_moved(outcome)
    ]
    return [plots.moves_of(query, title) for query, title in named[:3]]


@cache
def _templates() -> Environment:
    own, of_pages = PackageLoader("serve_app.evaluation.report"), PackageLoader("serve_app.web")
    found = Environment(
        loader=ChoiceLoader([own, of_pages]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update({name: getattr(formats, name) for name in ("duration", "plural", "money")})
    found.filters.update(
        fact=partial(_cut, FACT_CHARACTERS),
        remark=partial(_cut, REMARK_CHARACTERS),
        percent=figures.percent,
        price=figures.price,
    )
    found.globals.update(version=__version__)
    return found


def _cut(characters: int, text: str) -> str:
    return excerpt(text, characters)


@cache
def _style() -> Markup:
    """The pages' stylesheet and the report's own, without comments."""
    pages = resources.files("serve_app.web").joinpath("static/site.css").read_text(encoding="utf-8")
    own = resources.files("serve_app.evaluation.report").joinpath("templates/report.css").read_text(encoding="utf-8")
    return Markup(re.sub(r"/\*.*?\*/", "", pages + own, flags=re.DOTALL))


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


@cache
def _icon() -> str:
    icon = resources.files("serve_app.web").joinpath("static/icon.svg").read_bytes()
    return f"data:image/svg+xml;base64,{b64encode(icon).decode()}"
