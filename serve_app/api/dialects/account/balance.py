"""`GET /account`: what an account has, and what it has spent."""

from pydantic import BaseModel

from serve_app.api.dialects import examples
from serve_app.api.dialects.account.fields import as_json
from serve_app.api.endpoint import Action, AtDesk, NoQuery, Reply, Words
from serve_app.domain.account import Account
from serve_app.domain.price import format_usd


class AccountBody(BaseModel):
    """An account. Amounts are US dollars; held: what requests in work hold of the balance; created: unix seconds."""

    id: str
    email: str
    balance_usd: str
    held_usd: str
    granted_usd: str
    spent_usd: str
    created: int


def account_body(account: Account) -> AccountBody:
    """An account as its owner reads it."""
    return AccountBody(
        id=account.id,
        email=account.email,
        balance_usd=format_usd(account.balance),
        held_usd=format_usd(account.held),
        granted_usd=format_usd(account.granted),
        spent_usd=format_usd(account.spent),
        created=int(account.created),
    )


async def account(asked: AtDesk[None, NoQuery]) -> Reply:
    """The visitor's own."""
    return Reply(as_json(account_body(await asked.desk.account(asked.visit))))


EXAMPLE = AccountBody(
    id="acct_5fQmZ2",
    email="ada@example.org",
    balance_usd="24.999984",
    held_usd="0",
    granted_usd="25",
    spent_usd="0.000016",
    created=examples.CREATED,
)
ACCOUNT = Action(
    name="account",
    paths=("/account", "/v1/account"),
    scope="account",
    query=NoQuery,
    run=account,
    answer=AccountBody,
    words=Words("What the account has and has spent", EXAMPLE.model_dump(), statuses=(503,)),
)
