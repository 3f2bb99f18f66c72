"""`/style`: each part that the pages are made of, once."""

from starlette.responses import Response

from serve_app.web.asking import Asking
from serve_app.web.chart import Estimate, Place, along, over_time, scatter, stacked
from serve_app.web.formats import dollars_of

MINUTES = [f"12:{minute:02d}" for minute in range(0, 60, 5)]


async def show(asked: Asking) -> Response:
    """The page. Its figures are made up, and say so."""
    days = {f"{day} Nov": {"model-a": 0.02 * (day % 5), "model-b": 0.01 * (day % 3)} for day in range(1, 15)}
    rate = [40.0 + 9 * (place * 7 % 5) for place in range(len(MINUTES))]
    charts = [
        stacked("Bars: an example", days, write=dollars_of),
        over_time("Lines: an example", MINUTES, {"p50": rate, "p95": [2.2 * value for value in rate]}, unit="ms"),
        scatter(
            "Points: an example", [Place("model-a", 0.008, 67), Place("model-b", 0.028, 69)], x="$ per 1,000", y="MAP"
        ),
        along(
            "Lines over a size, with intervals: an example",
            {"nDCG@10": [Estimate(k, 0.5 - 0.1 / (1 + k / 10), 0.47 - 0.1 / (1 + k / 10), 0.53) for k in (0, 20, 50)]},
            x="documents reranked",
            unit="the axis does not begin at 0",
            from_zero=False,
        ),
    ]
    return asked.page("style.html", charts=charts)
