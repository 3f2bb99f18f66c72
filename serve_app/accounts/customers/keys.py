"""API keys: their form, and how they are made, found, listed and revoked.

A key is `rr_`, 30 random characters and 6 of their CRC32, all of base 62: GitHub's form, by which a slip of the pen is
told from an unknown key without a database, and secret scanners find keys. Only its SHA-256 is stored: 178 random bits
need no slow hash.
"""

import hashlib
import hmac
import json
import re
import secrets
import string
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, cast

from sqlalchemy import Connection, Row, func, insert, select, update

from serve_app.accounts.storage.tables import api_keys
from serve_app.domain.account import SCOPES, ApiKey, Cap, CapPeriod, KeyWish, Limits, NewKey, Scope
from serve_app.domain.errors import ServiceError, shown
from serve_app.domain.price import MAX_USD, NANO_DOLLARS

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
START, RANDOM, CHECKED, SHOWN = "rr_", 30, 6, 8
FORM = re.compile(rf"{START}[0-9A-Za-z]{{{RANDOM + CHECKED}}}")
LONGEST_NAME = 100
MOST_MODELS = 100
MOST_KEYS = 1_000  # of one account that are not revoked


def new_secret() -> str:
    """A key that nobody has."""
    body = "".join(secrets.choice(ALPHABET) for _ in range(RANDOM))
    return START + body + _checksum(body)


def digest(secret: str) -> bytes:
    """What is stored of a key."""
    return hashlib.sha256(secret.encode()).digest()


def check_form(secret: str) -> None:
    """Raise ServiceError invalid_api_key where this cannot be a key of ours. The key itself is not repeated."""
    if not FORM.fullmatch(secret):
        message = f"the API key is malformed: keys are {START} and {RANDOM + CHECKED} letters and digits"
        raise ServiceError("invalid_api_key", message)
    body = secret[len(START) :]
    if not hmac.compare_digest(_checksum(body[:RANDOM]), body[RANDOM:]):
        raise ServiceError("invalid_api_key", "the API key is malformed: its last characters do not fit the others")


def find_key(connection: Connection, secret: str) -> ApiKey | None:
    """The key with this secret, revoked and expired ones included."""
    wanted = digest(secret)
    row = connection.execute(select(api_keys).where(api_keys.c.digest == wanted)).one_or_none()
    if row is None or not hmac.compare_digest(bytes(row.digest), wanted):
        return None
    return _key(row)


def known_key(connection: Connection, key: str) -> ApiKey:
    """The key with this id, which is known to be there: no key is ever deleted."""
    return _key(connection.execute(select(api_keys).where(api_keys.c.id == key)).one())


def require_usable(key: ApiKey | None, now: float) -> ApiKey:
    """The key, where it can be used now. Raises ServiceError invalid_api_key."""
    if key is None:
        raise ServiceError("invalid_api_key", "the API key is not known")
    if key.revoked is not None:
        raise ServiceError("invalid_api_key", "the API key was revoked")
    if key.expires is not None and key.expires <= now:
        raise ServiceError("invalid_api_key", "the API key has expired")
    return key


def create_key(connection: Connection, account: str, wish: KeyWish, now: int, made_by: str | None = None) -> NewKey:
    """Make a key for an account. now: milliseconds since 1970. made_by: the key that asks.

    Raises ServiceError invalid_request.
    """
    _check(wish, now)
    usable = select(func.count()).where(api_keys.c.account_id == account, api_keys.c.revoked.is_(None))
    if (connection.scalar(usable) or 0) >= MOST_KEYS:
        message = f"the account has {MOST_KEYS:,} keys, the most that it can have; revoke those that are not used"
        raise ServiceError("invalid_request", message)
    secret = new_secret()
    row = {
        "id": random_id("key"),
        "account_id": account,
        "digest": digest(secret),
        "prefix": secret[:SHOWN],
        "name": wish.name,
        "scopes": " ".join(scope for scope in SCOPES if scope in wish.scopes),
        "models": json.dumps(wish.models),
        "cap": wish.cap.nano_dollars if wish.cap else None,
        "cap_period": wish.cap.period if wish.cap else None,
        **asdict(wish.limits),
        "created": now,
        "expires": None if wish.expires is None else int(wish.expires * 1000),
        "revoked": None,
        "made_by": made_by,
    }
    connection.execute(insert(api_keys), row)
    return NewKey(known_key(connection, str(row["id"])), secret)


def list_keys(connection: Connection, account: str) -> list[ApiKey]:
    """An account's keys, the newest first."""
    order = api_keys.c.created.desc(), api_keys.c.id
    return [
        _key(row)
        for row in connection.execute(select(api_keys).where(api_keys.c.account_id == account).order_by(*order))
    ]


def revoke_key(connection: Connection, account: str | None, key: str, now: int) -> ApiKey:
    """Revoke a key, for good; once more does nothing. account: whose it must be.

    Raises ServiceError not_found.
    """
    at = api_keys.c.id == key
    if account is not None:
        at &= api_keys.c.account_id == account
    connection.execute(update(api_keys).where(at, api_keys.c.revoked.is_(None)).values(revoked=now))
    row = connection.execute(select(api_keys).where(at)).one_or_none()
    if row is None:
        raise ServiceError("not_found", f"there is no key {shown(key)}", "id")
    return _key(row)


def limits_of(row: Row[Any]) -> Limits:
    """The limits of a row."""
    return Limits(row.requests_per_minute, row.tokens_per_minute, row.concurrent_requests)


def check_limits(limits: Limits) -> None:
    """Raise ServiceError invalid_request where a limit is none."""
    for name, limit in asdict(limits).items():
        if limit is not None and not 0 < limit < 2**31:
            message = f"{name} must be from 1 to {2**31 - 1:,}; got {shown(limit)}"
            raise ServiceError("invalid_request", message, name)


def random_id(kind: str) -> str:
    """A new id such as acct_4fTq0ZkLw2Vh9xYb."""
    return f"{kind}_{''.join(secrets.choice(ALPHABET) for _ in range(16))}"


def _check(wish: KeyWish, now: int) -> None:
    check_limits(wish.limits)
    if len(wish.name) > LONGEST_NAME:
        message = f"name has {len(wish.name)} characters; at most {LONGEST_NAME} are kept"
        raise ServiceError("invalid_request", message, "name")
    if unknown := [scope for scope in wish.scopes if scope not in SCOPES]:
        message = f"scopes must be of {', '.join(SCOPES)}; got {shown(unknown[0])}"
        raise ServiceError("invalid_request", message, "scopes")
    if not wish.scopes:
        raise ServiceError("invalid_request", f"scopes must name one or more of {', '.join(SCOPES)}", "scopes")
    if len(wish.models) > MOST_MODELS:
        message = f"models has {len(wish.models)} entries; at most {MOST_MODELS} are allowed"
        raise ServiceError("invalid_request", message, "models")
    if wish.cap and not 0 < wish.cap.nano_dollars <= MAX_USD * NANO_DOLLARS:
        raise ServiceError("invalid_request", f"cap_usd must be above 0 and at most {MAX_USD:,} dollars", "cap_usd")
    if wish.expires is not None and not now < wish.expires * 1000 < 2**53:
        raise ServiceError("invalid_request", "expires must lie in the future", "expires")


def _key(row: Row[Any]) -> ApiKey:
    cap = None if row.cap is None else Cap(row.cap, cast("CapPeriod", row.cap_period))
    return ApiKey(
        id=row.id,
        account=row.account_id,
        name=row.name,
        prefix=row.prefix,
        scopes=_scopes(row.scopes.split()),
        models=tuple(json.loads(row.models)),
        cap=cap,
        limits=limits_of(row),
        created=row.created / 1000,
        expires=seconds(row.expires),
        revoked=seconds(row.revoked),
        made_by=row.made_by,
    )


def _scopes(names: Sequence[str]) -> tuple[Scope, ...]:
    return tuple(scope for scope in SCOPES if scope in names)


def seconds(milliseconds: int | None) -> float | None:
    """A time of a row as the domain has it."""
    return None if milliseconds is None else milliseconds / 1000


def _checksum(text: str) -> str:
    value, digits = zlib.crc32(text.encode()), ""
    for _ in range(CHECKED):
        value, digit = divmod(value, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
