"""Sessions: who has signed in with a key stays signed in for some hours without sending it again.

A session's secret is 256 random bits. As of a key, only its SHA-256 is stored.
"""

import re
import secrets
from typing import Any

from sqlalchemy import Connection, Select, delete, insert, select

from serve_app.accounts.customers.keys import digest, known_key
from serve_app.accounts.storage.tables import sessions
from serve_app.domain.account import ApiKey, Session
from serve_app.domain.errors import ServiceError

RANDOM_BYTES = 32
FORM = re.compile(r"[0-9A-Za-z_-]{43}")  # those bytes in URL-safe base 64
MOST_SESSIONS = 100  # of one key
HOUR_MS = 3_600_000


def begin_session(connection: Connection, key: ApiKey, now: int, hours: float) -> Session:
    """Begin a session that ends after these hours, or with its key. now: milliseconds since 1970.

    Sessions that have ended are deleted; of a key that has too many the oldest ends.
    """
    of_key = select(sessions.c.digest).where(sessions.c.key_id == key.id)
    newest_first = of_key.order_by(sessions.c.created.desc(), sessions.c.digest)
    _delete(connection, select(sessions.c.digest).where(sessions.c.expires <= now))
    _delete(connection, newest_first.offset(MOST_SESSIONS - 1))
    secret = secrets.token_urlsafe(RANDOM_BYTES)
    expires = now + int(hours * HOUR_MS)
    if key.expires is not None:
        expires = min(expires, int(key.expires * 1000))
    row = {"digest": digest(secret), "key_id": key.id, "created": now, "expires": expires}
    connection.execute(insert(sessions), row)
    return Session(secret, expires / 1000, key)


def find_session(connection: Connection, secret: str) -> tuple[ApiKey, float] | None:
    """Of the session with this secret its key and when it ends; it may have ended, and its key be revoked."""
    row = connection.execute(select(sessions).where(sessions.c.digest == digest(secret))).one_or_none()
    return None if row is None else (known_key(connection, row.key_id), row.expires / 1000)


def end_session(connection: Connection, secret: str) -> None:
    """Delete the session with this secret; where there is none, do nothing."""
    connection.execute(delete(sessions).where(sessions.c.digest == digest(secret)))


def may_be_session(secret: str) -> bool:
    """Whether this has the form of a session's secret."""
    return FORM.fullmatch(secret) is not None


def ended() -> ServiceError:
    """What is said of a session that is of no use, whatever the cause."""
    return ServiceError("invalid_api_key", "the session has ended; sign in again")


def _delete(connection: Connection, digests: Select[Any]) -> None:
    # PostgreSQL: what another deletes at this moment is left to it, so that nobody who signs in waits for another.
    connection.execute(delete(sessions).where(sessions.c.digest.in_(digests.with_for_update(skip_locked=True))))
