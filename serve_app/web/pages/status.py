"""`/status`: how the service is doing, for its operator."""

import asyncio
import time
from datetime import UTC, datetime

from starlette.responses import Response

from serve_app.api.dialects.status import ModelStatusBody, StatusBody, status_of
from serve_app.domain.errors import ServiceError
from serve_app.web.asking import Asking
from serve_app.web.chart import Chart, over_time
from serve_app.web.pages.session import entrance


async def show(asked: Asking) -> Response:
    """The figures of `GET /v1/status`, drawn."""
    site = asked.site
    if site.accounts.desk is not None:
        if not asked.visitor.is_signed_in:
            if asked.is_for_part:
                raise ServiceError("missing_api_key", "the session has ended; sign in again")
            return entrance(asked)
        async with asked.visit() as visit:
            visit.require("admin")
    report = status_of(site.service, site.traffic, site.settings, time.time())
    template = "_status.html" if asked.is_for_part else "status.html"
    return await asyncio.to_thread(_page, asked, template, report)  # many models are long to draw


def _page(asked: Asking, template: str, report: StatusBody) -> Response:
    charts = {model.id: _charts(model) for model in report.models if model.last_hour.requests}
    return asked.page(template, private=True, report=report, charts=charts)


def _charts(model: ModelStatusBody) -> list[Chart]:
    """Throughput and latency, by minute."""
    times = [f"{datetime.fromtimestamp(minute.start, UTC):%H:%M}" for minute in model.minutes]
    asked = [minute.requests > 0 for minute in model.minutes]
    rates = {"documents/s": [minute.documents_per_s for minute in model.minutes]}
    latency = {
        "p50": [_ms(minute.latency_s.p50) for minute in model.minutes],
        "p95": [_ms(minute.latency_s.p95) for minute in model.minutes],
    }
    return [
        over_time("Documents per second", times, rates, unit="documents/s", listed=asked),
        over_time("Latency of requests", times, latency, unit="ms", listed=asked),
    ]


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1_000 * seconds
