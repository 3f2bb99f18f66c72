import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, column, event, table, update

from loadtest.server.postgres import PostgresServer
from serve_app.accounts.customers.keys import create_key, find_key
from serve_app.accounts.customers.owners import list_accounts, open_account
from serve_app.accounts.customers.sessions import begin_session
from serve_app.accounts.ledger.clock import Clock
from serve_app.accounts.ledger.presence import Presence, gateways_alive
from serve_app.accounts.ledger.verify import verify
from serve_app.accounts.storage.database import MIGRATIONS_LOCK, AwayError, Database
from serve_app.accounts.storage.migrations.run import _config, _form, require_current
from serve_app.accounts.storage.tables import compatibility, metadata
from serve_app.domain.account import KeyWish
from serve_app.domain.errors import UserError

alembic_version = table("alembic_version", column("version_num"))


def test_the_migrations_make_the_tables_that_the_code_asks(database: Database) -> None:
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def _migrate(place: str) -> None:
    Database(place).migrate()


def test_gateways_that_start_together_migrate_once(place: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(_migrate, [place] * 4))
    assert Database(place).read(list_accounts) == []


def test_a_ledger_of_the_first_form_is_renewed_with_all_that_it_has(place: str) -> None:
    database = Database(place)
    with database.transaction() as connection:
        command.upgrade(_config(connection), "0001")
        account = open_account(connection, "ada@example.org", 1, welcome_usd=Decimal(1))
        key = create_key(connection, account.id, KeyWish(), 1)
    with pytest.raises(UserError, match=r"of an older rayrank \(form 0001\)"):
        database.read(require_current, place)
    database.migrate()
    database.read(require_current, place)
    assert database.read(list_accounts) == [account]
    assert database.read(find_key, key.secret) == key.key
    assert database.read(verify).faults == ()
    assert database.write(begin_session, key.key, 1, 1.0).key == key.key
    database.forget_connections()


def _become(connection: Connection, form: str, oldest: str) -> None:
    connection.execute(update(alembic_version).values(version_num=form))
    connection.execute(update(compatibility).values(oldest=oldest))


def test_tables_of_a_newer_version_are_left_alone(database: Database, place: str) -> None:
    database.write(_become, "9999", oldest="9998")
    with pytest.raises(UserError, match="of a newer rayrank"):
        Database(place).migrate()


def test_tables_of_a_newer_version_that_welcomes_this_one_are_worked_on(database: Database, place: str) -> None:
    database.write(_become, "9999", oldest="0003")
    Database(place).migrate()
    database.read(require_current, place)
    assert database.read(_form) == "9999"


def test_a_ledger_goes_back_and_forth_with_its_money(database: Database, place: str) -> None:
    account = database.write(open_account, "ada@example.org", 1, welcome_usd=Decimal(1))
    forms = [database.take_back(), database.take_back()]
    assert forms == ["0002", "0001"]
    with pytest.raises(UserError, match="have the first form"):
        database.take_back()
    database.migrate()
    assert database.read(list_accounts) == [account]
    assert database.read(verify).faults == ()


def test_a_gateway_that_works_on_a_ledger_is_seen_by_its_beat(database: Database) -> None:
    assert gateways_alive(database, seconds=0.5) == 0
    gateway = Presence(database, Clock(), "here", beat_s=0.1)
    assert gateways_alive(database, seconds=0.5) == 1
    gateway.close()
    assert gateways_alive(database, seconds=0.5) == 0


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("mysql://root:hidden@host/db", "SQLite.*postgresql://.*mysql://root:\\*\\*\\*@host/db"),
        ("sqlite://", "must be a file"),
        (":memory:", "must be a file"),
        ("postgresql://u:hidden@host:port/x", "is no URL"),
    ],
)
def test_what_is_no_database_is_refused_without_its_password(place: str, told: str) -> None:
    with pytest.raises(UserError, match=told) as raised:
        Database(place)
    assert "hidden" not in str(raised.value)


def test_a_file_that_is_no_database_is_said_to_be_away(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("not a database, but long enough to look at" * 50)
    with pytest.raises(AwayError):
        Database(str(tmp_path / "notes")).migrate()


def test_a_transaction_that_fails_writes_nothing(database: Database) -> None:
    def fail(connection: Connection) -> None:
        open_account(connection, "ada@example.org", 1)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        database.write(fail)
    assert database.read(list_accounts) == []


def test_a_snapshot_does_not_see_what_is_written_meanwhile(opened: Callable[[], Database]) -> None:
    reader, writer = opened(), opened()
    with reader.snapshot() as connection:
        before = list_accounts(connection)
        writer.write(open_account, "ada@example.org", 1)
        assert list_accounts(connection) == before == []


@pytest.mark.parametrize("pragma", ["query_only = ON", "max_page_count = 1"], ids=["read-only", "full"])
def test_a_database_that_cannot_be_written_is_away_until_it_can(tmp_path: Path, pragma: str) -> None:
    file = tmp_path / "accounts.db"
    database = Database(str(file))
    database.migrate()
    database.forget_connections()

    def spoil(connection: Any, _: object) -> None:
        connection.execute(f"PRAGMA {pragma}")

    def fill(connection: Connection) -> None:
        for number in range(100):  # until the last page is full
            open_account(connection, f"{number}{'a' * 200}@example.org", 1)

    event.listen(database.engine, "connect", spoil)
    with pytest.raises(AwayError) as raised:
        database.write(fill)
    assert (raised.value.code, raised.value.retry_after_s) == ("unavailable", 2)
    event.remove(database.engine, "connect", spoil)
    database.forget_connections()
    database.write(open_account, "ada@example.org", 1)


def test_a_ledger_is_read_by_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        database = Database(str(tmp_path / "folder" / "accounts.db"))
        database.migrate()
        made = sorted((tmp_path / "folder").iterdir())
    finally:
        os.umask(before)
    assert {file.stat().st_mode & 0o777 for file in made} == {0o600}
    assert made[0].parent.stat().st_mode & 0o777 == 0o700
    database.forget_connections()


def test_a_turn_to_migrate_is_waited_for_however_long_the_one_before_takes(postgres: PostgresServer) -> None:
    place = postgres.new_database()
    with ThreadPoolExecutor(1) as pool, psycopg.connect(place) as other:
        other.execute(f"SELECT pg_advisory_xact_lock({MIGRATIONS_LOCK})")
        migrating = pool.submit(_migrate, place)
        with pytest.raises(TimeoutError):
            migrating.result(timeout=1.5)  # longer than a request waits for a lock
        other.commit()
        migrating.result(timeout=30)
    assert Database(place).read(list_accounts) == []
