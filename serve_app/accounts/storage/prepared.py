"""Statements that are compiled once and given to the driver as they are.

What SQLAlchemy does each time that a statement is run costs several times what the database does for it. Here a
statement is SQLAlchemy's all the same: written against the tables, and compiled for the database that is used. Its
parameters and results are whole numbers, texts and NULL, of which none is converted.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any

from sqlalchemy import BindParameter, Connection, Dialect, Executable, bindparam
from sqlalchemy.exc import DBAPIError

Row = Mapping[str, Any]


class Prepared:
    """A statement with named parameters.

    make: gives it for a kind of database. columns: that an insert has values for, where it has not for all.
    """

    def __init__(self, make: Callable[[str], Executable], columns: Sequence[str] | None = None) -> None:
        self._make, self._columns = make, columns
        self._compiled: dict[str, _Compiled] = {}

    def run(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Run it for each row."""
        kind = connection.dialect.name
        compiled = self._compiled.get(kind)
        if compiled is None:
            compiled = self._compiled[kind] = _Compiled(connection.dialect, self._make(kind), self._columns)
        compiled.run(connection, rows)


class PreparedOf:
    """A statement whose only parameters are the values of a list. make: gives it for so many of them."""

    def __init__(self, make: Callable[[Sequence[BindParameter[Any]]], Executable]) -> None:
        self._make = make
        self._compiled: dict[tuple[str, int], _Compiled] = {}

    def rows(self, connection: Connection, values: Sequence[Any]) -> Sequence[Sequence[Any]]:
        """The rows that it gives for these values; the same one again must make no difference."""
        if not values:
            return []
        length = 1 << (len(values) - 1).bit_length()  # a few lengths, so that each is compiled but once
        names = [f"value_{place}" for place in range(length)]
        known = connection.dialect.name, length
        compiled = self._compiled.get(known)
        if compiled is None:
            statement = self._make([bindparam(name) for name in names])
            compiled = self._compiled[known] = _Compiled(connection.dialect, statement)
        padded = [*values, *[values[-1]] * (length - len(values))]
        return compiled.run(connection, [dict(zip(names, padded, strict=True))], fetched=True)


class _Compiled:
    """A statement for one driver. order: of its parameters, None where the driver takes them by name."""

    def __init__(self, dialect: Dialect, statement: Any, columns: Sequence[str] | None = None) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=None if columns is None else list(columns))
        self._text = str(compiled)
        self._order: Sequence[str] | None = compiled.positiontup if compiled.positional else None

    def run(self, connection: Connection, rows: Sequence[Row], *, fetched: bool = False) -> Sequence[Sequence[Any]]:
        """Run it for each row. Returns what it gives, if that is to be fetched."""
        order = self._order
        arguments: list[Any] = [*rows] if order is None else [[row[name] for name in order] for row in rows]
        try:
            with closing(_driver(connection).cursor()) as cursor:
                if len(arguments) == 1:
                    cursor.execute(self._text, arguments[0])
                else:
                    cursor.executemany(self._text, arguments)
                return cursor.fetchall() if fetched else ()
        except Exception as error:
            raise _told(connection, self._text, error) from error


def run_text(connection: Connection, text: str) -> None:
    """Give a statement without parameters to the driver as it is."""
    try:
        _driver(connection).execute(text).close()
    except Exception as error:
        raise _told(connection, text, error) from error


def commit(connection: Connection) -> None:
    """End a transaction that was begun with run_text, or by the driver itself."""
    if connection.in_transaction():  # some statement went by way of SQLAlchemy
        connection.commit()
        return
    try:
        _driver(connection).commit()
    except Exception as error:
        raise _told(connection, "COMMIT", error) from error


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _told(connection: Connection, text: str, error: Exception) -> BaseException:
    """A driver's error as SQLAlchemy raises it; any other as it is."""
    kinds: Any = connection.dialect.loaded_dbapi
    return DBAPIError.instance(text, None, error, kinds.Error, dialect=connection.dialect)
