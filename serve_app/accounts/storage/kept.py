"""A connection that one thread keeps, transaction after transaction."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from serve_app.accounts.storage.database import Database
from serve_app.accounts.storage.prepared import commit, run_text


class KeptConnection:
    """The database for one thread that is always at it; after an error it begins with a new connection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None
        self._lasting = True

    @contextmanager
    def transaction(self, *, lasting: bool = True) -> Iterator[Connection]:
        """See Database.transaction.

        lasting: whether it has to outlast a power cut, where only SQLite knows the difference. What does not is as
        visible to all, and as safe from the death of a process.
        """
        with self._database.available():
            try:
                connection = self._connection or self._opened()
                if self._database.is_file:
                    if lasting != self._lasting:
                        run_text(connection, f"PRAGMA synchronous={'FULL' if lasting else 'NORMAL'}")
                        self._lasting = lasting
                    run_text(connection, "BEGIN IMMEDIATE")
                yield connection
                commit(connection)
            except BaseException:
                self.close()
                raise

    def _opened(self) -> Connection:
        self._connection, self._lasting = self._database.engine.connect(), True
        return self._connection

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()  # not to be kept for others: its state is not known
            connection.close()
