"""Idempotency keys: a request that is sent again is answered as before and charged once."""

import json
from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, insert, select, tuple_, update

from serve_app.accounts.ledger.operations import Capture, Claim, Unclaim
from serve_app.accounts.storage.tables import claims
from serve_app.domain.accounts import KeptAnswer
from serve_app.domain.errors import ServiceError

KEPT_MS = 24 * 3_600_000
LARGEST_ANSWER = 2**20  # bytes

DROP = delete(claims).where(claims.c.owner.in_(bindparam("owners", expanding=True)))
STORE = (
    update(claims).where(claims.c.owner == bindparam("of")).values(answer=bindparam("body"), headers=bindparam("told"))
)
REPLAY = (
    update(claims)
    .where(claims.c.owner.in_(bindparam("owners", expanding=True)), claims.c.replayed.is_(None))
    .values(replayed=bindparam("now"))
)


def settle_claims(
    connection: Connection, batch: Sequence[tuple[int, Claim | Unclaim]]
) -> list[tuple[int, KeptAnswer | ServiceError | None]]:
    """Take and give back idempotency keys. Their accounts are locked, so that nobody else does so meanwhile."""
    drop_claims(connection, [each.owner for _, each in batch if isinstance(each, Unclaim)])
    wanted = [(place, each) for place, each in batch if isinstance(each, Claim)]
    if not wanted:
        return []
    places = sorted({(claim.account, claim.key) for _, claim in wanted})
    at = tuple_(claims.c.account_id, claims.c.key)
    found = {(row.account_id, row.key): row for row in connection.execute(select(claims).where(at.in_(places)))}
    outcomes: list[tuple[int, KeptAnswer | ServiceError | None]] = []
    taken: dict[tuple[str, str], Claim] = {}
    replayed: list[int] = []
    for place, claim in wanted:
        key = claim.account, claim.key
        row = found.get(key)
        if row is not None and row.owner == claim.owner:  # asked again after a transaction that was not heard of
            outcomes.append((place, None))
        elif row is not None and row.at > claim.at - KEPT_MS:
            seen = _seen(claim, row.fingerprint, row.answer, row.headers)
            if isinstance(seen, KeptAnswer):
                replayed.append(row.owner)
            outcomes.append((place, seen))
        elif key in taken:
            outcomes.append((place, _seen(claim, taken[key].fingerprint, None, None)))
        else:
            taken[key] = claim
            outcomes.append((place, None))
    if replayed:
        connection.execute(REPLAY, {"owners": replayed, "now": wanted[0][1].at})
    if taken:
        connection.execute(delete(claims).where(at.in_(sorted(taken))))
        rows = [
            {
                "account_id": claim.account,
                "key": claim.key,
                "fingerprint": claim.fingerprint,
                "owner": claim.owner,
                "at": claim.at,
            }
            for claim in taken.values()
        ]
        connection.execute(insert(claims), rows)
    return outcomes


def store_answers(connection: Connection, captures: Sequence[Capture]) -> None:
    """Keep the answers of requests that were captured, where they made a claim."""
    rows = [
        {"of": each.hold.id, "body": each.answer.body, "told": json.dumps(dict(each.answer.headers))}
        for each in captures
        if each.answer
    ]
    if rows:
        connection.execute(STORE, rows)


def lost_claims(connection: Connection, captures: Sequence[Capture]) -> set[int]:
    """Those of some requests with an answer to be kept whose keys are not theirs any more.

    A gateway that stood still was taken for dead and its keys were given back: what it answers now could be neither
    given again, nor kept from being charged again.
    """
    owners = [each.hold.id for each in captures if each.answer]
    if not owners:
        return set()
    return set(owners).difference(connection.scalars(select(claims.c.owner).where(claims.c.owner.in_(owners))))


def replayed_of(connection: Connection, owners: Sequence[int]) -> set[int]:
    """Those of some owners whose answer was given again: whatever became of it the first time, it has been given."""
    query = select(claims.c.owner).where(claims.c.owner.in_(owners), claims.c.replayed.is_not(None))
    return set(connection.scalars(query)) if owners else set()


def drop_claims(connection: Connection, owners: Sequence[int], *, answered: bool = False) -> None:
    """Give keys back. answered: also where an answer was kept, because it was not given after all."""
    if owners:
        connection.execute(DROP if answered else DROP.where(claims.c.answer.is_(None)), {"owners": list(owners)})


def forget_claims(connection: Connection, now: int) -> None:
    """Delete what is older than keys are kept for. now: milliseconds since 1970."""
    connection.execute(delete(claims).where(claims.c.at <= now - KEPT_MS))


def _seen(claim: Claim, fingerprint: bytes, answer: bytes | None, headers: str | None) -> KeptAnswer | ServiceError:
    if fingerprint != claim.fingerprint:
        message = "Idempotency-Key was used for another request in the last 24 hours; give each request its own"
        return ServiceError("idempotency_conflict", message, "Idempotency-Key")
    if answer is None:
        message = "the request with this Idempotency-Key is still in work; try again"
        return ServiceError("idempotency_conflict", message, "Idempotency-Key", retry_after_s=1)
    return KeptAnswer(bytes(answer), json.loads(headers or "{}"))
