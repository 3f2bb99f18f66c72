"""`/account`: what the account has, what it has spent, and its keys."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import get_args

from starlette.responses import Response

from serve_app.api.dialects.account.usage import as_csv, usage_row
from serve_app.domain.account import SCOPES, ApiKey, CapPeriod, Scope, UsageBucket, UsageWish
from serve_app.domain.accounts import Visit
from serve_app.domain.errors import ServiceError
from serve_app.web.asking import Asking
from serve_app.web.chart import Chart, stacked
from serve_app.web.formats import money
from serve_app.web.look import SAFE
from serve_app.web.pages.session import entrance

DAYS, DAY_S = 30, 86_400
STATEMENTS = (30, 90, 365)  # days
# What the form for a key calls the fields of the API.
LABELS = {
    "name": "Name",
    "cap_usd": "Most that it may spend, $",
    "cap_period": "in a",
    "expires_in_days": "Good for days",
    "requests_per_minute": "Requests a minute, at most",
}


async def show(asked: Asking) -> Response:
    """The account; the forms for signing in where nobody is."""
    return await account_page(asked)


async def account_page(asked: Asking, *, status: int = 200, problem: str = "") -> Response:
    """The same. problem: what is wrong with the wish for a key that was sent."""
    desk = asked.desk
    if not asked.visitor.is_signed_in:
        return entrance(asked)
    now = time.time()
    async with asked.visit() as visit:
        visit.require("account")
        account = await desk.account(visit)
        keys = await desk.keys(visit)
        used = await desk.usage(visit, _last(DAYS, now))
        own = [scope for scope in SCOPES if _has(visit, scope)]
    return asked.page(
        "account.html",
        status=status,
        private=True,
        problem=problem,
        labels=LABELS,
        wish=asked.form,
        account=account,
        good=[key for key in keys if _is_good(key, now)],
        over=[key for key in keys if not _is_good(key, now)],
        chart_of=_by_day(used, now),
        by_model=_by_model(used),
        spent=sum(each.nano_dollars for each in used),
        days=DAYS,
        statements=STATEMENTS,
        scopes=own,
        periods=get_args(CapPeriod),
        models=[info.facts.id for info in asked.site.service.models()],
    )


async def statement(asked: Asking) -> Response:
    """What was used in the last 30 days, or in as many of STATEMENTS as are asked for, by day, key and model: CSV."""
    desk = asked.desk
    async with asked.visit() as visit:
        visit.require("account")
        given = asked.request.query_params.get("days", "")
        days = next((each for each in STATEMENTS if str(each) == given), DAYS)
        used = await desk.usage(visit, _last(days, time.time()))
    name = f"rayrank-usage-{datetime.now(UTC):%Y-%m-%d}.csv"
    headers = {**SAFE, "Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(as_csv([usage_row(each) for each in used]), headers=headers, media_type="text/csv")


def _last(days: int, now: float) -> UsageWish:
    until = now // DAY_S * DAY_S + DAY_S
    return UsageWish(until - days * DAY_S, until, "day")


def _has(visit: Visit, scope: Scope) -> bool:
    try:
        visit.require(scope)
    except ServiceError:
        return False
    return True


def _is_good(key: ApiKey, now: float) -> bool:
    return key.revoked is None and (key.expires is None or key.expires > now)


def _by_day(used: Sequence[UsageBucket], now: float) -> Chart:
    """Spent by day and model, in nano-dollars."""
    first = now // DAY_S * DAY_S - (DAYS - 1) * DAY_S
    days: dict[str, dict[str, float]] = {_day(first + back * DAY_S): {} for back in range(DAYS)}
    for each in used:
        parts = days.setdefault(_day(each.start), {})
        parts[each.model] = parts.get(each.model, 0) + each.nano_dollars
    return stacked("Spent by day and model", days, write=money)


def _day(seconds: float) -> str:
    day = datetime.fromtimestamp(seconds, UTC)
    return f"{day.day} {day:%b}"


def _by_model(used: Sequence[UsageBucket]) -> list[tuple[str, int, int, int, int]]:
    """Requests, documents, tokens and nano-dollars of each model, the dearest first."""
    found: dict[str, list[int]] = {}
    for each in used:
        sums = found.setdefault(each.model, [0, 0, 0, 0])
        for place, value in enumerate((each.requests, each.documents, each.tokens, each.nano_dollars)):
            sums[place] += value
    rows = [(model, requests, documents, tokens, cost) for model, (requests, documents, tokens, cost) in found.items()]
    return sorted(rows, key=lambda row: -row[4])
