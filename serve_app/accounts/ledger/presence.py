"""A gateway's place among the living, and the release of what the dead have held.

Each gateway counts up its beat in the database. Whose beat stands still for `DEAD_S`, by the watcher's own monotonic
clock, is taken for dead: its number is gone, and open holds of a number that is gone are released. One that was only
slow finds that its holds are gone, and withholds its answers.
"""

import logging
import threading
import time

from sqlalchemy import Column, ColumnElement, Connection, delete, insert, select, update

from serve_app.accounts.ledger.claims import forget_claims
from serve_app.accounts.ledger.clock import Clock
from serve_app.accounts.ledger.operations import HoldOrder, Release
from serve_app.accounts.ledger.settlement import settle
from serve_app.accounts.storage.database import AwayError, Database
from serve_app.accounts.storage.tables import claims, entries, gateways, holds
from serve_app.domain.errors import ServiceError

log = logging.getLogger("rayrank.accounts")

BEAT_S, DEAD_S = 4.0, 20.0
COUNTER_BITS = 40  # of a hold's number; the bits above are its gateway's number
LATE_MS = 120_000  # for clocks of several machines that differ, and requests that end late
FEWEST_LOOKS = 3  # at a beat that stands still
AT_ONCE = 500  # holds that are released in one transaction


class Presence:
    """Registers a gateway, keeps its beat and sweeps up after others, in a thread of its own until closed."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        host: str,
        *,
        beat_s: float = BEAT_S,
        dead_s: float = DEAD_S,
        longest_request_s: float = 3_600.0,
    ) -> None:
        """Asks the database once; where it is away, the thread goes on trying.

        longest_request_s: after which, and a while, a hold is taken for lost. Raises UserError as Database.migrate.
        """
        self._database, self._clock, self._host = database, clock, host
        self._beat_s, self._dead_s = beat_s, dead_s
        self._lost_ms = int(longest_request_s * 1000) + LATE_MS
        self._seen: dict[int, tuple[int, float]] = {}  # of each gateway its beat, and for how long it was seen still
        self._looked = time.monotonic()
        self._number: int | None = None
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._counter = 0
        try:
            self._round()
        except ServiceError as error:
            log.warning("the gateway is not registered yet", extra={"error": error.message})
        self._thread = threading.Thread(target=self._run, name="accounts-beat", daemon=True)
        self._thread.start()

    def next_hold(self) -> int:
        """A number that no other hold has. Raises ServiceError unavailable while the gateway is not registered."""
        with self._lock:
            if self._number is None:
                raise AwayError("the gateway is not registered")
            self._counter += 1
            return (self._number << COUNTER_BITS) + self._counter

    def close(self) -> None:
        """Leave: what this gateway still holds is released at once."""
        self._closed.set()
        self._thread.join()
        number, self._number = self._number, None
        if number is not None:
            try:
                self._database.write(bury, number, None)
            except ServiceError:
                log.warning("a gateway left while the accounts were away", extra={"gateway": number})

    def _run(self) -> None:
        while not self._closed.wait(self._beat_s):
            try:
                self._round()
            except ServiceError as error:
                log.warning("a beat was missed", extra={"error": error.message})
            except Exception:
                log.exception("a beat was missed")  # what fails is tried again at the next

    def _round(self) -> None:
        if self._number is None:
            self._register()
        elif not self._database.write(_beat, self._number):
            log.warning("this gateway was taken for dead", extra={"gateway": self._number})
            self._register()
        self._sweep()
        now = self._clock.now()
        self._database.write(_tidy, now, now - self._lost_ms)

    def _register(self) -> None:
        self._database.migrate()
        number, last = self._database.write(_register, self._host, self._clock.now())
        self._clock.saw(last)
        with self._lock:
            self._number, self._counter = number, 0

    def _sweep(self) -> None:
        now = time.monotonic()
        # While the database is away, or this process stands still, nobody's beat is seen: that says nothing of others.
        passed, self._looked = min(now - self._looked, self._dead_s / FEWEST_LOOKS), now
        beats = self._database.read(_beats)
        beats.pop(self._number or 0, None)
        seen, self._seen = self._seen, {}
        for number, beat in beats.items():
            before, still_s = seen.get(number, (None, 0.0))
            self._seen[number] = (beat, still_s + passed if beat == before else 0.0)
        for number, (beat, still_s) in self._seen.items():
            if still_s >= self._dead_s:
                released = self._database.write(bury, number, beat)
                log.warning("a gateway is dead", extra={"gateway": number, "released": released})


def gateways_alive(database: Database, seconds: float = 2 * BEAT_S) -> int:
    """How many gateways work on a ledger now: those whose beat moves while it is watched for so long."""
    before = database.read(_beats)
    if not before:
        return 0
    time.sleep(seconds)
    return sum(beat != before.get(number) for number, beat in database.read(_beats).items())


def bury(connection: Connection, number: int, beat: int | None) -> int:
    """Take a gateway from the living, if its beat is still this one, and release all that it holds.

    Returns the number of holds that were released.
    """
    at = gateways.c.id == number
    if beat is not None:
        at &= gateways.c.beat == beat
    if connection.execute(delete(gateways).where(at)).rowcount == 0:
        return 0
    return release_strays(connection, before=0)


def release_strays(connection: Connection, before: int) -> int:
    """Release all that is held by gateways that are not among the living, or since before a time, in milliseconds.

    A gateway that stood still may hold something only after it was buried, and die before it gives it back; and no
    request lasts for ever. Returns the number of holds that were released.
    """
    living = select(gateways.c.id)
    columns = (holds.c.id, holds.c.account_id, holds.c.key_id, holds.c.amount, holds.c.at, holds.c.period)
    # By account, so that each step locks accounts behind those of the one before: others lock them in that order.
    stray = _gateway_of(holds.c.id).not_in(living) | (holds.c.at < before)
    rows = connection.execute(select(*columns).where(stray).order_by(holds.c.account_id)).all()
    for start in range(0, len(rows), AT_ONCE):
        orders = [HoldOrder(*row[:5], period=row.period) for row in rows[start : start + AT_ONCE]]
        settle(connection, [Release(order, refund=False) for order in orders])
    connection.execute(delete(claims).where(claims.c.answer.is_(None), _gateway_of(claims.c.owner).not_in(living)))
    return len(rows)


def _gateway_of(number: Column[int]) -> ColumnElement[int]:
    """The gateway whose hold has this number."""
    gateway: ColumnElement[int] = number // 2**COUNTER_BITS
    return gateway


def _tidy(connection: Connection, now: int, before: int) -> None:
    release_strays(connection, before)
    forget_claims(connection, now)


def _register(connection: Connection, host: str, now: int) -> tuple[int, int]:
    """A number for a gateway that has just come, and the time of the ledger's last entry."""
    row = {"host": host, "beat": 0, "started": now}
    number = connection.execute(insert(gateways).returning(gateways.c.id), row).scalar_one()
    last = connection.execute(select(entries.c.at).order_by(entries.c.id.desc()).limit(1)).scalar_one_or_none()
    return number, last or 0


def _beat(connection: Connection, number: int) -> int:
    return connection.execute(update(gateways).where(gateways.c.id == number).values(beat=gateways.c.beat + 1)).rowcount


def _beats(connection: Connection) -> dict[int, int]:
    return {row.id: row.beat for row in connection.execute(select(gateways.c.id, gateways.c.beat))}
