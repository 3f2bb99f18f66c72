"""`POST /v1/credits`, for administrators, and what a payment provider reports to `/v1/webhooks/stripe`."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from serve_app.api.dialects.account.fields import Line, Usd, as_json
from serve_app.api.endpoint import Action, AtDesk, NoQuery, Reply, Words
from serve_app.api.validation import RequestBody
from serve_app.domain.errors import ServiceError
from serve_app.domain.price import format_usd

SIGNATURE = "Stripe-Signature"
MOST_EVENT_BYTES = 1 << 18


class CreditBody(RequestBody):
    """Credit for an account. usd: taken digit by digit, as text or as a number."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"account": "ada@example.org", "usd": "25", "reference": "invoice 2026-0117"}}
    )

    account: Annotated[Line, Field(description="Its id or email.")]
    usd: Usd
    reference: Annotated[Line, Field(description="Of what was paid. Given twice, it is granted once.")]
    note: Line | None = None


class CreditAnswer(BaseModel):
    """What was granted. again: the reference was known, and nothing was granted now."""

    account: str
    usd: str
    reference: str
    balance_usd: str
    again: bool


class PaidAnswer(BaseModel):
    """That an event was taken. granted_usd: null where it is of no payment."""

    received: bool
    granted_usd: str | None


async def grant(asked: AtDesk[CreditBody, NoQuery]) -> Reply:
    """Give credit."""
    given = asked.given
    done = await asked.desk.grant(given.account, given.usd, given.reference, given.note or "")
    answer = CreditAnswer(
        account=done.account,
        usd=format_usd(done.nano_dollars),
        reference=done.reference,
        balance_usd=format_usd(done.balance),
        again=done.again,
    )
    return Reply(as_json(answer))


async def paid(asked: AtDesk[bytes, NoQuery]) -> Reply:
    """Take a payment provider's event. Raises ServiceError where it is not signed."""
    signature = asked.headers.get(SIGNATURE)
    if signature is None:
        raise ServiceError("invalid_request", f"{SIGNATURE} is missing", SIGNATURE)
    done = await asked.desk.paid(asked.given, signature)
    return Reply(as_json(PaidAnswer(received=True, granted_usd=format_usd(done.nano_dollars) if done else None)))


GRANT = Action(
    name="grant_credit",
    paths=("/v1/credits",),
    scope="admin",
    verb="POST",
    body=CreditBody,
    query=NoQuery,
    run=grant,
    answer=CreditAnswer,
    words=Words(
        "Give credit to an account",
        {
            "account": "acct_5fQmZ2",
            "usd": "25",
            "reference": "invoice 2026-0117",
            "balance_usd": "49.999984",
            "again": False,
        },
        statuses=(400, 404, 408, 413, 415, 503),
    ),
)
PAID = Action(
    name="paid",
    paths=("/v1/webhooks/stripe",),
    scope=None,
    verb="POST",
    body=bytes,
    query=NoQuery,
    headers={SIGNATURE: "The provider's, of the body."},
    max_body_bytes=MOST_EVENT_BYTES,
    run=paid,
    answer=PaidAnswer,
    words=Words(
        "Stripe reports a payment here",
        {"received": True, "granted_usd": "25"},
        statuses=(400, 408, 413, 415, 503),
    ),
)
