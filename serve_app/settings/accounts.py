"""Options of accounts: where the ledger is, who may have one, what is free."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from serve_app.settings.group import Group, Name, Positive

MOST_HOURS = 8_760  # a year


class LimitSettings(Group):
    """What an account may ask for where it has no limits of its own; no limit where left out."""

    requests_per_minute: Annotated[Positive | None, Field(description="Requests in a minute.")] = None
    tokens_per_minute: Annotated[
        Positive | None, Field(description="Tokens in a minute, estimated from the texts' lengths.")
    ] = None
    concurrent_requests: Annotated[Positive | None, Field(description="Requests in work at a time.")] = None


class DemoSettings(Group):
    """What is scored for nothing, for who has no key and asks with the header `X-Demo: true`."""

    documents_per_day_per_address: Annotated[Positive, Field(description="Documents a day, for one address.")] = 500
    documents_per_day: Annotated[Positive, Field(description="Documents a day, for all together.")] = 20_000
    documents_per_request: Annotated[Positive, Field(description="Documents in one request.")] = 50
    requests_per_minute: Annotated[Positive, Field(description="Requests in a minute, from one address.")] = 20


class AccountsSettings(Group):
    """Who may ask, and what it costs them."""

    database: Annotated[
        Name,
        Field(description="The ledger: a SQLite file, for gateways on one node, or a `postgresql://` URL, for many."),
    ] = ".rayrank/accounts.db"
    sign_up: Annotated[Literal["closed", "invite", "open"], Field(description="Who may open an account over HTTP.")] = (
        "closed"
    )
    welcome_usd: Annotated[
        Decimal, Field(ge=0, le=10_000, decimal_places=9, description="Credit of a new account.")
    ] = Decimal(25)
    session_hours: Annotated[
        float,
        Field(gt=0, le=MOST_HOURS, description="Hours for which who signs in on the web with a key stays signed in."),
    ] = 12
    limits: LimitSettings = LimitSettings()
    limits_store: Annotated[
        SecretStr | None,
        Field(
            description="A `redis://` URL where limits are counted; needed for limits and a demo on several gateways."
        ),
    ] = None
    demo: Annotated[DemoSettings | None, Field(description="Left out, nobody is served without a key.")] = None
    identity_header: Annotated[
        Name | None,
        Field(
            description="Header in which a trusted proxy writes the email of who has signed in, such as "
            "X-Forwarded-Email. Set it only where no request comes past that proxy."
        ),
    ] = None
    webhook_secret: Annotated[
        SecretStr | None, Field(description="With which a payment provider signs its events to /v1/webhooks/stripe.")
    ] = None
