"""What the ledger's own connection promises, on both databases."""

from typing import Any

import pytest
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import IntegrityError

from serve_app.accounts.storage.database import AwayError, Database
from serve_app.accounts.storage.kept import KeptConnection
from serve_app.accounts.storage.prepared import Prepared, PreparedOf
from serve_app.accounts.storage.tables import gateways

ADD = Prepared(lambda _: gateways.insert(), ("id", "host", "beat", "started"))
THESE = PreparedOf(lambda ids: select(gateways.c.id).where(gateways.c.id.in_(ids)))


def rows(*numbers: int) -> list[dict[str, int | str]]:
    return [{"id": number, "host": "h", "beat": 0, "started": 0} for number in numbers]


def count(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(gateways)) or 0


def replace_the_third(kept: KeptConnection, lasting: bool) -> None:
    """It fails at its last statement."""
    with kept.transaction(lasting=lasting) as connection:
        connection.execute(gateways.delete().where(gateways.c.id == 3))
        ADD.run(connection, rows(4))
        ADD.run(connection, rows(1))


def test_what_is_prepared_and_what_is_not_are_written_together(database: Database) -> None:
    kept = KeptConnection(database)
    for lasting in (True, False, True):
        with kept.transaction(lasting=lasting) as connection:
            ADD.run(connection, rows(1, 2))
            connection.execute(gateways.insert(), rows(3))
        assert database.read(count) == 3
        with pytest.raises(IntegrityError):
            replace_the_third(kept, lasting)
        assert database.read(count) == 3
        with kept.transaction(lasting=lasting) as connection:
            connection.execute(gateways.delete())
    kept.close()


@pytest.mark.parametrize("asked", [0, 1, 2, 3, 5, 31, 33])
def test_a_list_of_any_length_gives_each_row_once(database: Database, asked: int) -> None:
    kept = KeptConnection(database)
    with kept.transaction() as connection:
        ADD.run(connection, rows(*range(1, 40)))
        found = THESE.rows(connection, list(range(1, asked + 1)))
    assert sorted(number for (number,) in found) == list(range(1, asked + 1))
    kept.close()


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)  # a file is never gone in this way
def test_a_connection_that_is_gone_is_told_and_replaced(database: Database) -> None:
    kept = KeptConnection(database)
    with kept.transaction() as connection:
        ADD.run(connection, rows(1))
        gone: Any = connection.connection.driver_connection
    gone.close()
    with pytest.raises(AwayError), kept.transaction() as connection:
        ADD.run(connection, rows(2))
    with kept.transaction() as connection:
        ADD.run(connection, rows(2))
    assert database.read(count) == 2
    kept.close()
