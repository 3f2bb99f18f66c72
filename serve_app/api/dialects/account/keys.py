"""`/v1/keys`: an account's keys are made, listed and revoked."""

import time
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from serve_app.api.dialects import examples
from serve_app.api.dialects.account.fields import Line, Moment, Usd, as_iso, as_json, as_unix, line
from serve_app.api.endpoint import Action, AtDesk, NoQuery, Reply, Words
from serve_app.api.lenient import MOST, Items, whole_or_text
from serve_app.api.validation import RequestBody
from serve_app.domain.account import DEFAULT_SCOPES, ApiKey, Cap, CapPeriod, KeyWish, Limits, NewKey, Scope
from serve_app.domain.errors import ServiceError, shown
from serve_app.domain.price import format_usd
from serve_app.domain.service import RankingService, model_not_found

DAY_S = 86_400
MOST_EXPIRY_DAYS = 3_650
LONGEST_ID = 64
SHOWN_ONCE = "The secret is shown this once. Keep it: nobody can tell it again."

Most = Annotated[int, Field(ge=1, le=MOST), BeforeValidator(whole_or_text)]


class NewKeyBody(RequestBody):
    """What a key shall be good for. A field that is not known is refused."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "search", "scopes": ["rerank"], "cap_usd": "5", "cap_period": "month"}}
    )

    name: Annotated[
        Annotated[str, Field(max_length=100), AfterValidator(line)] | None,
        Field(description="By which its owner knows it."),
    ] = None
    scopes: Annotated[
        Items[Scope] | None,
        Field(min_length=1, description=f"What it may be used for; {', '.join(DEFAULT_SCOPES)} when left out."),
    ] = None
    models: Annotated[
        Items[Line] | None,
        Field(max_length=100, description="Ids or aliases of the models that it may ask; all when left out or empty."),
    ] = None
    cap_usd: Annotated[Usd | None, Field(description="The most that it may spend in a cap_period.")] = None
    cap_period: Annotated[CapPeriod | None, Field(description="With cap_usd: a day or a month of UTC.")] = None
    expires: Annotated[Moment | None, Field(description="When it ceases to be good (ISO 8601 or unix seconds).")] = None
    expires_in_days: Annotated[
        Annotated[int, Field(ge=1, le=MOST_EXPIRY_DAYS), BeforeValidator(whole_or_text)] | None,
        Field(description="The same, in days from now."),
    ] = None
    requests_per_minute: Most | None = None
    tokens_per_minute: Most | None = None
    concurrent_requests: Most | None = None


class KeyBody(BaseModel):
    """A key without its secret. prefix: its first characters. Times are unix seconds, null for never.

    made_by: the key with which it was asked for; null for the operator and for a sign-up.
    """

    id: str
    object: Literal["api_key"]
    name: str
    prefix: str
    scopes: list[Scope]
    models: list[str]
    cap_usd: str | None
    cap_period: CapPeriod | None
    requests_per_minute: int | None
    tokens_per_minute: int | None
    concurrent_requests: int | None
    created: int
    expires: int | None
    revoked: int | None
    made_by: str | None


class SecretBody(KeyBody):
    """A key that was just made, with its secret."""

    secret: str
    notice: str


class KeyList(BaseModel):
    """An account's keys, the newest first; revoked and expired ones, too."""

    object: Literal["list"]
    data: list[KeyBody]


def key_body(key: ApiKey) -> KeyBody:
    """A key as its owner reads it."""
    return KeyBody(
        id=key.id,
        object="api_key",
        name=key.name,
        prefix=key.prefix,
        scopes=list(key.scopes),
        models=list(key.models),
        cap_usd=format_usd(key.cap.nano_dollars) if key.cap else None,
        cap_period=key.cap.period if key.cap else None,
        requests_per_minute=key.limits.requests_per_minute,
        tokens_per_minute=key.limits.tokens_per_minute,
        concurrent_requests=key.limits.concurrent_requests,
        created=int(key.created),
        expires=as_unix(key.expires),
        revoked=as_unix(key.revoked),
        made_by=key.made_by,
    )


def secret_body(new: NewKey) -> SecretBody:
    """A new key, this once with its secret."""
    return SecretBody(**key_body(new.key).model_dump(), secret=new.secret, notice=SHOWN_ONCE)


def wish_of(body: NewKeyBody, service: RankingService, now: float) -> KeyWish:
    """What a body asks for. Raises ServiceError invalid_request naming the field at fault."""
    for index, name in enumerate(body.models or ()):
        if service.find_model(name) is None:
            error = model_not_found(name, service.models())
            raise ServiceError("invalid_request", f"models[{index}]: {error.message}", f"models[{index}]")
    return KeyWish(
        name=body.name or "",
        scopes=tuple(dict.fromkeys(body.scopes or DEFAULT_SCOPES)),
        models=tuple(dict.fromkeys(body.models or ())),
        cap=_cap(body),
        limits=Limits(body.requests_per_minute, body.tokens_per_minute, body.concurrent_requests),
        expires=_expires(body, now),
    )


def _cap(body: NewKeyBody) -> Cap | None:
    if body.cap_usd is not None and body.cap_period is not None:
        return Cap(body.cap_usd, body.cap_period)
    for name, other in (("cap_usd", "cap_period"), ("cap_period", "cap_usd")):
        if getattr(body, name) is not None:
            raise ServiceError("invalid_request", f"{other} is missing; {name} needs it", other)
    return None


def _expires(body: NewKeyBody, now: float) -> float | None:
    if body.expires_in_days is not None:
        if body.expires is not None:
            message = "expires and expires_in_days mean the same; give one"
            raise ServiceError("invalid_request", message, "expires_in_days")
        return now + body.expires_in_days * DAY_S
    if body.expires is None:
        return None
    if not now < body.expires <= now + MOST_EXPIRY_DAYS * DAY_S:
        message = f"expires must be in the future, at most {MOST_EXPIRY_DAYS:,} days from now"
        raise ServiceError("invalid_request", f"{message}; got {as_iso(body.expires)}", "expires")
    return body.expires


async def create(asked: AtDesk[NewKeyBody, NoQuery]) -> Reply:
    """Make one."""
    wish = wish_of(asked.given, asked.service, time.time())
    return Reply(as_json(secret_body(await asked.desk.create_key(asked.visit, wish))))


async def keys(asked: AtDesk[None, NoQuery]) -> Reply:
    """The account's."""
    found = await asked.desk.keys(asked.visit)
    return Reply(as_json(KeyList(object="list", data=[key_body(key) for key in found])))


async def revoke(asked: AtDesk[None, NoQuery]) -> Reply:
    """Revoke one."""
    key = asked.path["key"]
    if len(key) > LONGEST_ID or not key.isprintable():
        raise ServiceError("not_found", f"the account has no key {shown(key)}")
    return Reply(as_json(key_body(await asked.desk.revoke_key(asked.visit, key))))


EXAMPLE_KEY = ApiKey(
    id="key_8sT1",
    account="acct_5fQmZ2",
    name="search",
    prefix="rr_4fK9",
    scopes=("rerank",),
    models=(),
    cap=Cap(5 * 10**9, "month"),
    limits=Limits(),
    created=float(examples.CREATED),
    expires=None,
    revoked=None,
)
EXAMPLE = key_body(EXAMPLE_KEY).model_dump()
EXAMPLE_SECRET = secret_body(NewKey(EXAMPLE_KEY, "rr_4fK9…")).model_dump()
CREATE_KEY = Action(
    name="create_key",
    paths=("/v1/keys",),
    scope="account",
    verb="POST",
    body=NewKeyBody,
    query=NoQuery,
    run=create,
    status=201,
    answer=SecretBody,
    words=Words("Make a key", EXAMPLE_SECRET, description=SHOWN_ONCE, statuses=(400, 408, 413, 415, 503)),
)
KEYS = Action(
    name="keys",
    paths=("/v1/keys",),
    scope="account",
    query=NoQuery,
    run=keys,
    answer=KeyList,
    words=Words("The account's keys", {"object": "list", "data": [EXAMPLE]}, statuses=(503,)),
)
REVOKE_KEY = Action(
    name="revoke_key",
    paths=("/v1/keys/{key}",),
    scope="account",
    verb="DELETE",
    query=NoQuery,
    run=revoke,
    answer=KeyBody,
    words=Words("Revoke a key, for good", EXAMPLE | {"revoked": examples.CREATED + 60}, statuses=(404, 503)),
)
