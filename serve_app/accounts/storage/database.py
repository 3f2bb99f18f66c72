"""The database of the ledger: SQLite for gateways on one node, PostgreSQL for many."""

import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from psycopg.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy import Connection, Engine, Table, create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.pool import QueuePool

from serve_app.accounts.storage.prepared import run_text
from serve_app.domain.errors import ServiceError, UserError, shown

Given = ParamSpec("Given")
Result = TypeVar("Result")

log = logging.getLogger("rayrank.accounts")

RETRY_S = 2.0  # after which it makes sense to ask a database again that was away
AWAY = "the accounts cannot be reached at the moment; nothing was charged, try again"
LOG_BYTES = 64 * 2**20  # to which the log of a SQLite file shrinks again, once no reader needs it
BUSY_MS = 5_000  # for which a writer waits for others
CONNECTIONS = 6  # of a gateway: its commits, its beat, and two threads each for keys and for statements
FOLDER_MODE, FILE_MODE = 0o700, 0o600  # a ledger has addresses, and who owns what
MIGRATIONS_LOCK = 0x7261_7972  # any number that nobody else's lock has
MEMORY = ("", ":memory:")  # a database of each connection's own
LOCKED = (LockNotAvailable, DeadlockDetected)
POSTGRES = ("postgresql", "postgres", "postgresql+psycopg")


class Database:
    """Where a ledger lies.

    place: the path of a SQLite file, whose folder is made where it is missing, or a `postgresql://` URL.
    """

    def __init__(self, place: str) -> None:
        """Raises UserError where the place is no such thing. Nothing is asked yet."""
        self._url = _url(place)
        self._is_away = False
        self.path = Path(self._url.database) if self._url.database and self.is_file else None
        self.engine = _sqlite(self._url) if self.is_file else _postgres(self._url)

    def __str__(self) -> str:
        """The place, without a password."""
        if self.path:
            return str(self.path)
        return self._url.set(drivername=POSTGRES[0]).render_as_string(hide_password=True)

    @property
    def is_file(self) -> bool:
        """Whether it lies on one node alone."""
        return self._url.get_backend_name() == "sqlite"

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """All that is done inside is written, or nothing of it.

        SQLite's writers take turns from the beginning on, so that none fails half-way. Raises ServiceError unavailable
        where the database cannot do it now.
        """
        with self.available(), self.engine.begin() as connection:
            yield connection

    def write(
        self, work: Callable[Concatenate[Connection, Given], Result], *given: Given.args, **named: Given.kwargs
    ) -> Result:
        """What some work gives in a transaction of its own.

        Where another has written the same at the same time, it is done again and finds what that one wrote.
        """
        try:
            with self.transaction() as connection:
                return work(connection, *given, **named)
        except IntegrityError:
            with self.transaction() as connection:
                return work(connection, *given, **named)

    def read(
        self, work: Callable[Concatenate[Connection, Given], Result], *given: Given.args, **named: Given.kwargs
    ) -> Result:
        """What some work reads, as of one moment."""
        with self.snapshot() as connection:
            return work(connection, *given, **named)

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Read as of one moment, while others write. Raises ServiceError unavailable."""
        with self.available(), self.engine.connect() as connection:
            level: Any = {"snapshot": True} if self.is_file else {"isolation_level": "REPEATABLE READ"}
            with connection.execution_options(**level).begin():
                yield connection

    def migrate(self) -> None:
        """Make the tables, or bring them to this version's form; gateways that start together take turns.

        Raises UserError where they are of a newer version, ServiceError unavailable.
        """
        from serve_app.accounts.storage.migrations.run import upgrade

        if self.path:
            _make_private(self.path)
            _write_ahead(self.engine)
        self._migrating(upgrade)

    def take_back(self) -> str:
        """Bring the tables one form back, for an older version; no gateway may run. Returns the form's name.

        Raises UserError where there is no way back, ServiceError unavailable.
        """
        from serve_app.accounts.storage.migrations.run import downgrade

        return self._migrating(downgrade)

    def _migrating(self, work: Callable[[Connection, str], Result]) -> Result:
        with self.transaction() as connection:
            if not self.is_file:
                be_patient(connection)  # the first one's turn may be long
                connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": MIGRATIONS_LOCK})
            return work(connection, str(self))

    def forget_connections(self) -> None:
        """Begin again with new ones."""
        self.engine.dispose()

    @contextmanager
    def available(self) -> Iterator[None]:
        """What goes wrong with the database inside is raised as ServiceError unavailable, and logged once."""
        try:
            yield
        except (IntegrityError, DataError, ProgrammingError):
            raise
        except DBAPIError as error:
            found = AwayError(str(error.orig or error), busy=isinstance(error.orig, LOCKED))
            if found.busy:
                log.warning("an account is locked", extra={"database": str(self), "error": found.reason})
                raise found from None
            if not self._is_away:  # an outage is told once, however many ask
                told = {"database": str(self), "error": found.reason}
                log.error("the database is away", extra=told)  # noqa: TRY400
            self._is_away = True
            raise found from None
        if self._is_away:
            self._is_away = False
            log.warning("the database is back", extra={"database": str(self)})


class AwayError(ServiceError):
    """The database cannot be asked now; what was being written may be written or not.

    reason: its own words. busy: it is there, but somebody else has locked what was asked for.
    """

    def __init__(self, reason: str, *, busy: bool = False) -> None:
        super().__init__("unavailable", AWAY, retry_after_s=RETRY_S)
        self.reason, self.busy = " ".join(reason.split()), busy


def adding_up(kind: str, table: Table, summed: Sequence[str]) -> Any:
    """An insert into a table of this kind of database that adds to these columns where the row is there."""
    inserts: dict[str, type[sqlite.Insert | postgresql.Insert]] = {
        "sqlite": sqlite.Insert,
        "postgresql": postgresql.Insert,
    }
    inserted = inserts[kind](table)
    sums = {name: table.c[name] + inserted.excluded[name] for name in summed}
    return inserted.on_conflict_do_update(index_elements=table.primary_key.columns, set_=sums)


def be_patient(connection: Connection) -> None:
    """Let this transaction take its time: a request's may not."""
    if connection.dialect.name == "postgresql":
        for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            connection.execute(text(f"SET LOCAL {name} = 0"))


def _url(place: str) -> URL:
    if "://" not in place and place not in MEMORY:
        return URL.create("sqlite", database=place)
    try:
        url = make_url("sqlite://" if place in MEMORY else place)
    except (ArgumentError, ValueError):
        raise UserError(f"the database {shown(place.partition('@')[2] or place)} is no URL") from None
    if url.drivername == "sqlite" and url.database and url.database not in MEMORY:
        return url
    if url.drivername in POSTGRES:
        return url.set(drivername="postgresql+psycopg")
    hidden = url.render_as_string(hide_password=True)
    raise UserError(f"the database must be a file (SQLite) or a postgresql:// URL; got {shown(hidden)}")


def _sqlite(url: URL) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,  # in errors, which are logged: they may be a customer's answers
        poolclass=QueuePool,
        pool_size=CONNECTIONS,
        connect_args={"check_same_thread": False, "timeout": BUSY_MS / 1000},
    )

    def prepare(connection: Any, _: object) -> None:
        connection.isolation_level = None  # transactions begin below, not where the driver thinks
        for pragma in ("synchronous=FULL", "foreign_keys=ON", f"journal_size_limit={LOG_BYTES}"):
            connection.execute(f"PRAGMA {pragma}").close()

    def begin(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        if driver.in_transaction:  # KeptConnection's
            return
        kind = "DEFERRED" if connection.get_execution_options().get("snapshot") else "IMMEDIATE"
        run_text(connection, f"BEGIN {kind}")

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin)
    return engine


def _make_private(path: Path) -> None:
    """Make the folder and the file of a ledger so that nobody else reads them, not even for a moment."""
    try:
        with suppress(FileExistsError):
            path.parent.mkdir(FOLDER_MODE, parents=True)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))
    except OSError as error:
        raise AwayError(f"{error.filename}: {error.strerror}") from None


def _write_ahead(engine: Engine) -> None:
    """Have readers and a writer not wait for each other; the file remembers it. SQLite does not queue for this."""
    end = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            with engine.connect() as connection:  # begins no transaction
                driver: Any = connection.connection.driver_connection
                driver.execute("PRAGMA journal_mode=WAL").close()
        except (DatabaseError, sqlite3.DatabaseError) as error:
            if time.monotonic() > end or "locked" not in str(error):
                raise AwayError(str(getattr(error, "orig", error))) from None
            time.sleep(0.05)
        else:
            return


def _postgres(url: URL) -> Engine:
    # A server that is gone without a word is found out in seconds; one that is busy fails in its own time. A gateway
    # that stands still in a transaction loses its locks before others that wait for them fail.
    options = "-c statement_timeout=20000 -c lock_timeout=1000 -c idle_in_transaction_session_timeout=4000"
    patience = {"connect_timeout": 3, "tcp_user_timeout": 4_000, "keepalives_idle": 5, "options": options}
    return create_engine(url, hide_parameters=True, pool_size=CONNECTIONS, pool_timeout=3, connect_args=patience)
