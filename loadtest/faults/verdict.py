"""What a fault has cost, judged by what clients saw and what the ledger has."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, select

from loadtest.faults.witnesses import Sight
from serve_app.accounts.ledger.verify import verify
from serve_app.accounts.storage.tables import entries


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one fault.

    silent_s: the longest time without a right answer. back_s: from the end of the fault until right answers come
    without a gap; None where they never do. ended: with which status the server ended itself, None where it runs. seen:
    how often a client saw what else than a right answer. wrong: what must never happen, a line each.
    """

    fault: str
    requests: int
    silent_s: float
    back_s: float | None
    ended: int | None
    seen: dict[str, int]
    slowest_s: float
    wrong: list[str] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def silence(sights: Sequence[Sight], began: float, ended: float) -> float:
    """The longest time between two right answers, from one moment to another."""
    answered = sorted(sight.began + sight.seconds for sight in sights if sight.right)
    moments = [began, *(moment for moment in answered if began < moment < ended), ended]
    return max(later - earlier for earlier, later in pairwise(moments))


def seen(sights: Sequence[Sight]) -> dict[str, int]:
    """What else than right answers clients saw."""
    found = Counter(_named(sight) for sight in sights if not sight.right)
    return dict(found.most_common())


def _named(sight: Sight) -> str:
    if sight.hung:
        return "no answer in time"
    return "connection refused or broken" if sight.status is None else str(sight.status)


def wrongs(sights: Sequence[Sight], limit_s: float) -> Iterator[str]:
    """What no client must ever see."""
    for fault, times in Counter(sight.fault for sight in sights if sight.fault).items():
        yield f"{fault} ({times} times)"
    late = [sight.seconds for sight in sights if sight.hung or sight.seconds > limit_s]
    if late:
        yield f"{len(late)} requests lasted beyond their limit, up to {max(late):.1f} s"


def wrong_charges(connection: Connection, sights: Sequence[Sight]) -> Iterator[str]:
    """Where the ledger and the clients are not of one mind.

    A request whose connection broke, or that was told that the service is unavailable, may have been captured by a
    gateway that died before its answer was out. Everything else is charged as told, or not at all.
    """
    captured: defaultdict[str, int] = defaultdict(int)
    query = select(entries.c.request_id, entries.c.amount).where(entries.c.kind.in_(["capture", "refund"]))
    for request_id, amount in connection.execute(query):
        captured[request_id] -= amount
    for sight in sights:
        charged = captured.get(sight.request_id, 0)
        if sight.status == 200 and charged != sight.told:
            yield f"{sight.request_id} was told {sight.told} nano-dollars and charged {charged}"
        elif sight.status not in {None, 200, 503} and charged:
            yield f"{sight.request_id} was answered {sight.status} and charged {charged}"
    found = verify(connection)
    yield from found.faults
    if found.holds:
        yield f"{found.holds} holds are open"
