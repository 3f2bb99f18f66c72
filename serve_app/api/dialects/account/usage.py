"""`GET /v1/usage` and `/v1/usage.csv`: what an account has used, by time, key and model."""

import csv
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from serve_app.api.dialects.account.fields import Line, Moment, as_iso, as_json
from serve_app.api.endpoint import Action, AtDesk, Reply, Words
from serve_app.api.validation import RequestBody
from serve_app.domain.account import Bucket, UsageBucket, UsageWish
from serve_app.domain.errors import ServiceError
from serve_app.domain.price import format_usd
from serve_app.settings import EMBEDDED_MODEL

DAY_S = 86_400
SECONDS: dict[Bucket, int] = {"hour": 3_600, "day": DAY_S}
MOST_DAYS: dict[Bucket, int] = {"hour": 31, "day": 400}
DEFAULT_DAYS = 30
FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # with which a cell begins that a spreadsheet computes


class UsageQuery(RequestBody):
    """Which usage is asked for."""

    model_config = ConfigDict(serialize_by_alias=True)

    since: Annotated[
        Moment | None,
        Field(alias="from", description="From then on (ISO 8601, UTC where it says nothing else; or unix seconds)."),
    ] = None
    until: Annotated[Moment | None, Field(alias="to", description="Up to then, exclusive; now when left out.")] = None
    bucket: Annotated[Bucket, Field(description="What is added up; an hour for at most 31 days.")] = "day"
    model: Annotated[Line | None, Field(description="Of this model alone.")] = None


class Used(BaseModel):
    """What was used. cost_usd: what was charged for it."""

    requests: int
    documents: int
    tokens: int
    cost_usd: str


class UsageRow(BaseModel):
    """What one key has used of one model in an hour or a day. key: its id, "" where none was used."""

    start: str
    key: str
    model: str
    requests: int
    documents: int
    tokens: int
    cost_usd: str


class UsageList(BaseModel):
    """Usage from one moment up to another, and all of it together."""

    model_config = ConfigDict(serialize_by_alias=True)

    object: Literal["list"]
    bucket: Bucket
    since: Annotated[str, Field(alias="from")]
    until: Annotated[str, Field(alias="to")]
    data: list[UsageRow]
    total: Used


@dataclass(frozen=True, slots=True)
class Found:
    """A wish, and what was found for it."""

    wish: UsageWish
    buckets: Sequence[UsageBucket]


def wish_of(query: UsageQuery, model: str | None, now: float) -> UsageWish:
    """What a query asks for: where it does not say, the 30 days up to now.

    model: the id of the one that it names. Raises ServiceError invalid_request naming the parameter at fault.
    """
    until = float(int(now) + 1) if query.until is None else query.until
    since = query.since
    if since is None:
        step = SECONDS[query.bucket]
        since = max((until - DEFAULT_DAYS * DAY_S) // step * step, 0.0)
    if since >= until:
        raise ServiceError("invalid_request", f"from ({as_iso(since)}) must be before to ({as_iso(until)})", "from")
    most = MOST_DAYS[query.bucket]
    if until - since > most * DAY_S:
        message = f"from and to are {(until - since) / DAY_S:,.1f} days apart; at most {most} by {query.bucket}"
        raise ServiceError("invalid_request", message, "from")
    return UsageWish(since, until, query.bucket, model)


async def _found(asked: AtDesk[None, UsageQuery]) -> Found:
    name = asked.query.model
    info = asked.service.find_model(name) if name else None  # one that is served no more may be asked for, too
    wish = wish_of(asked.query, info.facts.id if info else name, time.time())
    return Found(wish, await asked.desk.usage(asked.visit, wish))


def usage_row(bucket: UsageBucket) -> UsageRow:
    """What one key has used, as its owner reads it."""
    return UsageRow(
        start=as_iso(bucket.start),
        key=bucket.key,
        model=bucket.model,
        requests=bucket.requests,
        documents=bucket.documents,
        tokens=bucket.tokens,
        cost_usd=format_usd(bucket.nano_dollars),
    )


def _list(found: Found) -> UsageList:
    wish, buckets = found.wish, found.buckets
    total = Used(
        requests=sum(each.requests for each in buckets),
        documents=sum(each.documents for each in buckets),
        tokens=sum(each.tokens for each in buckets),
        cost_usd=format_usd(sum(each.nano_dollars for each in buckets)),
    )
    rows = [usage_row(each) for each in buckets]
    times = {"from": as_iso(wish.since), "to": as_iso(wish.until)}
    return UsageList(object="list", bucket=wish.bucket, **times, data=rows, total=total)


def as_csv(rows: Sequence[UsageRow]) -> bytes:
    """Rows under a line of their names (RFC 4180); no cell of them is a formula."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(UsageRow.model_fields)
    writer.writerows([_cell(value) for _, value in row] for row in rows)
    return text.getvalue().encode()


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULAS) else value


async def usage(asked: AtDesk[None, UsageQuery]) -> Reply:
    """As JSON."""
    return Reply(as_json(_list(await _found(asked))))


async def usage_csv(asked: AtDesk[None, UsageQuery]) -> Reply:
    """As a table."""
    found = await _found(asked)
    name = {"Content-Disposition": 'attachment; filename="usage.csv"'}
    return Reply(as_csv([usage_row(each) for each in found.buckets]), name)


EXAMPLE = _list(
    Found(
        UsageWish(1_793_836_800.0, 1_796_428_800.0),
        [UsageBucket(1_795_478_400.0, "key_8sT1", EMBEDDED_MODEL, 1, 2, 20, 16_000)],
    )
)
STATUSES = (400, 503)
USAGE = Action(
    name="usage",
    paths=("/v1/usage",),
    scope="account",
    query=UsageQuery,
    run=usage,
    answer=UsageList,
    words=Words(
        "What the account has used, by time, key and model",
        EXAMPLE.model_dump(),
        description="The last 30 days by day where nothing else is asked for.",
        statuses=STATUSES,
    ),
)
USAGE_CSV = Action(
    name="usage_csv",
    paths=("/v1/usage.csv",),
    scope="account",
    query=UsageQuery,
    run=usage_csv,
    answer=None,
    media_type="text/csv",
    words=Words("The same as a table", as_csv(EXAMPLE.data).decode(), statuses=STATUSES),
)
