import csv
import json
import sqlite3
import time
from pathlib import Path

import pytest

from serve_app.accounts.customers.keys import find_key
from serve_app.accounts.customers.sessions import begin_session, find_session
from serve_app.accounts.storage.database import Database
from tests.cli.command import rayrank
from tests.cli.ledgers import Commands, spend

EMAILS = ("ada@example.org", "bob@example.org")
PRICE = 16_001


@pytest.fixture
def used(commands: Commands) -> Commands:
    """Two accounts that have each a grant and a capture."""
    for hold, email in enumerate(EMAILS):
        account = commands.record("accounts", "create", email)["id"]
        spend(commands.database, account, PRICE, hold=hold)
    return commands


def test_a_ledger_that_is_right_is_said_to_be(used: Commands) -> None:
    said = used.record("ledger", "verify")
    assert said == {"accounts": 2, "entries": 4, "holds": 0, "balance_usd": "49.999967998", "faults": []}


def test_a_balance_that_was_tampered_with_is_exit_status_1_and_a_line(
    used: Commands, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(used.database) as raw:
        raw.execute("UPDATE accounts SET balance = balance + 1 WHERE email = ?", (EMAILS[0],))
    assert rayrank(monkeypatch, "ledger", "verify") == 1
    output, error = capsys.readouterr()
    (fault,) = json.loads(output)["faults"]
    assert "the balance is $24.999984, and its entries come to $24.999983999" in fault
    assert error == f"rayrank: {fault}\n"


def test_the_export_has_every_entry_in_order_and_comes_to_the_balances(used: Commands) -> None:
    entries = used.records("ledger", "export")
    assert [entry["kind"] for entry in entries] == ["grant", "capture"] * 2
    assert [entry["id"] for entry in entries] == sorted(entry["id"] for entry in entries)
    assert (entries[1]["usd"], entries[1]["nano_dollars"], entries[1]["held_usd"]) == (
        "-0.000016001",
        -PRICE,
        "0.000032002",
    )
    for email in EMAILS:
        own = used.records("ledger", "export", "--account", email)
        assert own == [entry for entry in entries if entry["email"] == email]
        balance = used.record("accounts", "show", email)["balance_usd"]
        assert f"{sum(entry['nano_dollars'] for entry in own) / 1e9:.9f}" == balance


def test_the_export_is_of_the_time_that_was_asked_for(used: Commands) -> None:
    third = used.records("ledger", "export")[2]
    later = used.records("ledger", "export", "--from", third["at"])
    assert {entry["email"] for entry in later} == {EMAILS[1]}
    assert used.records("ledger", "export", "--to", third["at"]) + later == used.records("ledger", "export")


def test_csv_has_the_same_and_no_formula(used: Commands) -> None:
    rows = list(csv.DictReader(used.said("ledger", "export", "--format", "csv").splitlines()))
    entries = used.records("ledger", "export")
    for row, entry in zip(rows, entries, strict=True):
        assert [row[name] for name in ("id", "usd", "nano_dollars")] == [
            str(entry[name]) for name in ("id", "usd", "nano_dollars")
        ]
    assert (entries[1]["request_id"], rows[1]["request_id"]) == ("=request 0", "'=request 0")


def test_a_copy_made_in_use_is_a_whole_ledger_for_its_owner_alone(used: Commands, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    key = used.record("keys", "create", EMAILS[0])["secret"]
    with Database(str(used.database)).transaction() as connection:  # somebody has signed in, and somebody writes
        known = find_key(connection, key)
        assert known
        session = begin_session(connection, known, int(time.time() * 1000), 1.0)
    with Database(str(used.database)).transaction() as connection:
        connection.exec_driver_sql("UPDATE accounts SET held = held")
        used.said("ledger", "backup", str(copy))
    assert copy.stat().st_mode & 0o777 == 0o600
    here, there = (used.record("ledger", "verify", "--database", str(file)) for file in (used.database, copy))
    assert here == there
    assert here["entries"] > 0
    assert Database(str(copy)).read(find_session, session.secret) == (known, session.expires)
    assert "File exists" in used.refused("ledger", "backup", str(copy))


def test_the_tables_go_one_form_back_for_an_older_version_and_forth_again(
    used: Commands, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = used.records("ledger", "export")
    assert rayrank(monkeypatch, "ledger", "migrate", "--back") == 0
    assert capsys.readouterr().err.endswith("has form 0002 again\n")
    assert rayrank(monkeypatch, "ledger", "verify") == 1
    assert "`rayrank ledger migrate` renews them" in capsys.readouterr().err
    assert rayrank(monkeypatch, "ledger", "migrate") == 0
    assert used.records("ledger", "export") == before
