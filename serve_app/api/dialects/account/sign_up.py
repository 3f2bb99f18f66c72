"""`POST /v1/accounts`: a new account with its first key."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from serve_app.api.dialects.account.balance import EXAMPLE as EXAMPLE_ACCOUNT
from serve_app.api.dialects.account.balance import AccountBody, account_body
from serve_app.api.dialects.account.fields import Line, as_json, line
from serve_app.api.dialects.account.keys import EXAMPLE_SECRET, SHOWN_ONCE, SecretBody, secret_body
from serve_app.api.endpoint import Action, AtDesk, NoQuery, Reply, Words
from serve_app.api.validation import RequestBody

LONGEST_EMAIL = 254  # RFC 5321, with its angle brackets
EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]+")


def _email(value: str) -> str:
    if not EMAIL.fullmatch(value):
        raise PydanticCustomError("email", "Input should be an email address")
    return value


class SignUpBody(RequestBody):
    """Who wants an account."""

    model_config = ConfigDict(json_schema_extra={"example": {"email": "ada@example.org"}})

    email: Annotated[str, Field(max_length=LONGEST_EMAIL), AfterValidator(line), AfterValidator(_email)]
    invite: Annotated[Line | None, Field(description="Where sign-up is by invitation.")] = None


class SignUpAnswer(BaseModel):
    """The account and its first key."""

    account: AccountBody
    key: SecretBody


async def sign_up(asked: AtDesk[SignUpBody, NoQuery]) -> Reply:
    """Open an account."""
    account, key = await asked.desk.sign_up(asked.given.email, asked.given.invite, asked.tenant)
    return Reply(as_json(SignUpAnswer(account=account_body(account), key=secret_body(key))))


SIGN_UP = Action(
    name="sign_up",
    paths=("/v1/accounts",),
    scope=None,
    verb="POST",
    body=SignUpBody,
    query=NoQuery,
    run=sign_up,
    status=201,
    answer=SignUpAnswer,
    words=Words(
        "Open an account",
        {"account": EXAMPLE_ACCOUNT.model_dump(), "key": EXAMPLE_SECRET},
        description=SHOWN_ONCE,
        statuses=(400, 403, 408, 409, 413, 415, 429, 503),
    ),
)
