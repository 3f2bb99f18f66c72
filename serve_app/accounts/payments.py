"""A payment provider's events, in Stripe's form (docs.stripe.com/webhooks).

`Stripe-Signature: t=1492774577,v1=<hex>`: v1 is an HMAC-SHA256 of `<t>.<body>` under the secret that both sides share.
"""

import hashlib
import hmac
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError

from serve_app.domain.errors import ServiceError, shown
from serve_app.domain.price import NANO_DOLLARS

TOLERANCE_S = 300  # between the signature's time and ours; Stripe's own libraries take as much
PAID = ("checkout.session.completed", "checkout.session.async_payment_succeeded")
NANO_DOLLARS_PER_CENT = NANO_DOLLARS // 100
LONGEST_HEADER = 2_000


@dataclass(frozen=True, slots=True)
class Payment:
    """What was paid. account: its id or email. reference: the same however often the event comes."""

    account: str
    nano_dollars: int
    reference: str
    note: str


class _Read(BaseModel):
    model_config = ConfigDict(strict=True)


class _Details(_Read):
    amount_tax: int = 0


class _Customer(_Read):
    email: str | None = None


class _Session(_Read):
    """What is read of a checkout session. Amounts are cents."""

    id: str
    payment_status: str
    currency: str
    amount_total: int
    total_details: _Details | None = None
    client_reference_id: str | None = None
    customer_email: str | None = None
    customer_details: _Customer | None = None


class _Kind(_Read):
    type: str


class _Data(_Read):
    object: _Session


class _Paid(_Read):
    data: _Data


def check_signature(payload: bytes, header: str, secret: str, now: float) -> None:
    """Raise ServiceError invalid_request where the event was not signed with the secret, or not just now."""
    if len(header) > LONGEST_HEADER:
        raise _refused(f"is longer than {LONGEST_HEADER:,} characters")
    parts = [part.strip().partition("=")[::2] for part in header.split(",")]
    times = [value for name, value in parts if name == "t"]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdecimal()):
        raise _refused("has no time stamp")
    signed = hmac.new(secret.encode(), times[0].encode() + b"." + payload, hashlib.sha256).hexdigest()
    given = [value for name, value in parts if name == "v1"]
    if not any(hmac.compare_digest(signed.encode(), value.encode()) for value in given):
        raise _refused("does not fit the body")
    if abs(now - int(times[0][:15])) > TOLERANCE_S:
        raise _refused(f"is of another time: events are taken for {TOLERANCE_S} seconds")


def payment_in(payload: bytes) -> Payment | None:
    """What an event says was paid; None where it is about something else, or nothing was paid yet.

    Raises ServiceError invalid_request where that cannot be told.
    """
    try:
        if _Kind.model_validate_json(payload).type not in PAID:
            return None
        session = _Paid.model_validate_json(payload).data.object
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        message = "the body is no event of a checkout session" + (f": see {place}" if place else "")
        raise ServiceError("invalid_request", message, place or None) from None
    if session.payment_status != "paid":
        return None
    if session.currency != "usd":
        raise ServiceError("invalid_request", f"currency must be usd; got {shown(session.currency)}", "currency")
    cents = session.amount_total - (session.total_details or _Details()).amount_tax
    if cents <= 0:
        raise ServiceError("invalid_request", f"amount_total must be above 0; got {cents}", "amount_total")
    return Payment(_account(session), cents * NANO_DOLLARS_PER_CENT, f"stripe:{session.id}", "payment")


def _account(session: _Session) -> str:
    """Who has paid: what the operator's page put into the session, else the payer's email."""
    details = session.customer_details or _Customer()
    for name in (session.client_reference_id, session.customer_email, details.email):
        if name and name.strip():
            return name.strip()
    raise ServiceError("invalid_request", "client_reference_id must name the account", "client_reference_id")


def _refused(what: str) -> ServiceError:
    return ServiceError("invalid_request", f"the signature {what}", "Stripe-Signature")
