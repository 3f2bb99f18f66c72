"""What accounts have used, summed by hour, key and model as it is charged."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from serve_app.accounts.storage.database import adding_up
from serve_app.accounts.storage.prepared import Prepared
from serve_app.accounts.storage.tables import usage
from serve_app.domain.account import UsageBucket, UsageWish

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
SUMMED = ("requests", "documents", "tokens", "nano_dollars")
PLACE = ("account_id", "hour", "key_id", "model")


ADD = Prepared(lambda kind: adding_up(kind, usage, SUMMED))


def add_usage(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Add captures, and take refunds away. rows: of entries."""
    sums: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * len(SUMMED))
    for row in rows:
        place = (row["account_id"], row["at"] // HOUR_MS * HOUR_MS, row["key_id"], row["model"])
        sign = 1 if row["kind"] == "capture" else -1
        for index, more in enumerate((sign, sign * row["documents"], sign * row["tokens"], -row["amount"])):
            sums[place][index] += more
    ADD.run(
        connection,
        # In one order everywhere, so that no two gateways wait for each other.
        [dict(zip((*PLACE, *SUMMED), (*place, *sums[place]), strict=True)) for place in sorted(sums)],
    )


def usage_of(connection: Connection, account: str, wish: UsageWish) -> list[UsageBucket]:
    """An account's usage, by time, key and model."""
    columns = (usage.c.hour, usage.c.key_id, usage.c.model, *(usage.c[name] for name in SUMMED))
    query = select(*columns).where(
        usage.c.account_id == account, usage.c.hour >= _hour(wish.since), usage.c.hour < wish.until * 1000
    )
    if wish.model is not None:
        query = query.where(usage.c.model == wish.model)
    width = HOUR_MS if wish.bucket == "hour" else DAY_MS
    sums: dict[tuple[int, str, str], list[int]] = defaultdict(lambda: [0] * len(SUMMED))
    for hour, key, model, *amounts in connection.execute(query):
        found = sums[hour // width * width, key, model]
        for index, amount in enumerate(amounts):
            found[index] += amount
    return [UsageBucket(start / 1000, key, model, *sums[start, key, model]) for start, key, model in sorted(sums)]


def _hour(seconds: float) -> int:
    """The beginning of a moment's hour: an hour that has begun is counted whole."""
    return int(seconds * 1000) // HOUR_MS * HOUR_MS
