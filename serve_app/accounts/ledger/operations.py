"""What a gateway asks of the ledger for a request: each is small, and many share a transaction."""

from dataclasses import dataclass
from datetime import UTC, datetime

from serve_app.domain.account import Cap
from serve_app.domain.accounts import KeptAnswer
from serve_app.domain.caller import Tier


@dataclass(frozen=True, slots=True)
class HoldOrder:
    """Credit to be held for one request.

    id: never used for another. key: "" where no key is used. at: milliseconds since 1970. cap, period: the most that
    the key may spend in this day or month, where it has a cap.
    """

    id: int
    account: str
    key: str
    amount: int
    at: int
    cap: int | None = None
    period: str | None = None


def period_of(cap: Cap, at: int) -> str:
    """The day or month of UTC in which a moment counts against a cap: 2026-11-25, or 2026-11."""
    day = datetime.fromtimestamp(at / 1000, UTC).date().isoformat()
    return day if cap.period == "day" else day[:7]


@dataclass(frozen=True, slots=True)
class Authorise:
    """Hold credit."""

    hold: HoldOrder


@dataclass(frozen=True, slots=True)
class Capture:
    """Charge what was used, and free the rest of the hold.

    documents, tokens: that were used. answer: kept for the claim that the request has made.
    """

    hold: HoldOrder
    charge: int
    at: int
    model: str
    tier: Tier
    documents: int
    tokens: int
    request_id: str
    answer: KeptAnswer | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """Charge nothing for a hold, and drop the claim of its request.

    refund: whether a capture, whose answer was then not given, is paid back.
    """

    hold: HoldOrder
    refund: bool = True


@dataclass(frozen=True, slots=True)
class Claim:
    """Take an idempotency key. owner: the id of the request's hold."""

    account: str
    key: str
    fingerprint: bytes
    owner: int
    at: int


@dataclass(frozen=True, slots=True)
class Unclaim:
    """Give an idempotency key back that was not answered."""

    account: str
    owner: int


Operation = Authorise | Capture | Release | Claim | Unclaim


def account_of(operation: Operation) -> str:
    """Whose it is."""
    return operation.account if isinstance(operation, Claim | Unclaim) else operation.hold.account
