"""Invitations to open an account: codes, each good for one."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, insert, select, update

from serve_app.accounts.customers.keys import SHOWN, digest, new_secret, seconds
from serve_app.accounts.storage.tables import invites
from serve_app.domain.errors import ServiceError

FORM = "inv_"


@dataclass(frozen=True, slots=True)
class Invite:
    """An invitation. used_by: the account that was opened with it, or None. Times are seconds since 1970."""

    prefix: str
    note: str
    created: float
    expires: float | None
    used_by: str | None


def create_invite(connection: Connection, note: str, now: int, expires: float | None = None) -> str:
    """A new code; it is shown this once. now: milliseconds since 1970; expires: seconds since 1970."""
    code = FORM + new_secret().partition("_")[2]
    row = {
        "digest": digest(code),
        "prefix": code[:SHOWN],
        "note": note,
        "created": now,
        "expires": None if expires is None else int(expires * 1000),
    }
    connection.execute(insert(invites), row)
    return code


def list_invites(connection: Connection) -> list[Invite]:
    """All invitations, the newest first."""
    return [
        Invite(row.prefix, row.note, row.created / 1000, seconds(row.expires), row.used_by)
        for row in connection.execute(select(invites).order_by(invites.c.created.desc()))
    ]


def require_invite(connection: Connection, code: str, now: int) -> None:
    """Raise ServiceError forbidden where an invitation is none, used, or too old."""
    if connection.execute(select(invites.c.digest).where(_usable(code, now))).first() is None:
        raise _refused()


def use_invite(connection: Connection, code: str, account: str, now: int) -> None:
    """Take an invitation for an account. Raises ServiceError as require_invite."""
    if connection.execute(update(invites).where(_usable(code, now)).values(used_by=account)).rowcount == 0:
        raise _refused()


def _usable(code: str, now: int) -> ColumnElement[bool]:
    not_too_old = invites.c.expires.is_(None) | (invites.c.expires > now)
    return (invites.c.digest == digest(code)) & invites.c.used_by.is_(None) & not_too_old


def _refused() -> ServiceError:
    return ServiceError("forbidden", "the invite is not known, or used, or too old", "invite")
