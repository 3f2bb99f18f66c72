"""The key with which a service that has just been started can be asked."""

import multiprocessing
import stat
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from serve_app.accounts.customers.keys import create_key, find_key, list_keys, revoke_key
from serve_app.accounts.customers.owners import list_accounts, open_account
from serve_app.accounts.storage.database import Database
from serve_app.accounts.storage.opened import opened
from serve_app.domain.account import SCOPES, ApiKey, KeyWish
from serve_app.domain.errors import UserError
from serve_app.launch.first_key import OWNER, Prepared, prepare
from serve_app.settings import AccountsSettings


def start(database: Path | str) -> tuple[Prepared, str]:
    """What a start finds or makes, and what it says."""
    said = StringIO()
    return prepare(AccountsSettings(database=str(database)), Console(file=said, soft_wrap=True)), said.getvalue()


def key_of(ready: Prepared) -> ApiKey:
    key = Database(ready.settings.database).read(find_key, ready.secret)
    assert key is not None
    return key


def test_a_first_start_opens_an_account_with_credit_and_keeps_its_key(tmp_path: Path) -> None:
    database = tmp_path / "kept" / "accounts.db"
    ready, said = start(database)
    (account,) = Database(str(database)).read(list_accounts)
    assert (account.email, account.balance) == (OWNER, 25 * 10**9)
    assert (key_of(ready).account, key_of(ready).scopes) == (account.id, SCOPES)
    assert ready.file.read_text() == f"{ready.secret}\n"
    assert stat.S_IMODE(ready.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(ready.file.parent.stat().st_mode) == 0o700
    assert said.startswith(f"rayrank: the account {OWNER} is opened with $25; a new key")
    assert ready.secret not in said


def test_a_later_start_takes_the_key_of_the_first_and_says_nothing(tmp_path: Path) -> None:
    first, _ = start(tmp_path / "accounts.db")
    second, said = start(tmp_path / "accounts.db")
    assert (second.secret, said) == (first.secret, "")


@pytest.mark.parametrize("what", ["missing", "empty", "revoked", "of another ledger", "no key", "not text"])
def test_a_key_that_cannot_be_used_is_replaced_and_that_is_said(tmp_path: Path, what: str) -> None:
    database = tmp_path / "accounts.db"
    first, _ = start(database)
    match what:
        case "missing":
            first.file.unlink()
        case "empty":
            first.file.write_text("")
        case "revoked":
            Database(str(database)).write(revoke_key, None, key_of(first).id, 1)
        case "of another ledger":
            other, _ = start(tmp_path / "other" / "accounts.db")
            first.file.write_text(other.secret)
        case "no key":
            first.file.write_text("rr_" + "x" * 36)
        case "not text":
            first.file.write_bytes(b"\xff\xfe\x00")
    second, said = start(database)
    assert second.secret != first.secret
    assert key_of(second).account == key_of(first).account
    assert second.file.read_text() == f"{second.secret}\n"
    assert said.startswith("rayrank: the" if what not in {"missing", "empty"} else "rayrank: there is no key in")
    assert f"a new key of {OWNER} is in" in said
    assert len(said.splitlines()) == 1


def test_a_ledger_that_has_accounts_gets_no_other(tmp_path: Path) -> None:
    with opened(str(tmp_path / "accounts.db"), make=True) as ledger:
        oldest = ledger.write(open_account, "ada@example.org", 1)
        ledger.write(open_account, "bob@example.org", 2)
    ready, _ = start(tmp_path / "accounts.db")
    assert key_of(ready).account == oldest.id
    assert len(ledger.read(list_accounts)) == 2


def test_a_key_that_somebody_has_put_there_is_taken(tmp_path: Path) -> None:
    database = tmp_path / "accounts.db"
    with opened(str(database), make=True) as ledger:
        account = ledger.write(open_account, "ada@example.org", 1)
        own = ledger.write(create_key, account.id, KeyWish(), 2)
    (tmp_path / "key").write_text(own.secret)
    assert start(database)[0].secret == own.secret


def test_the_place_is_one_that_any_process_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ready, _ = start("kept/accounts.db")
    assert ready.settings.database == str(tmp_path / "kept" / "accounts.db")
    assert ready.file == Path("kept/key")
    assert ready.list_accounts == "rayrank accounts list --database kept/accounts.db"
    assert start(AccountsSettings().database)[0].list_accounts == "rayrank accounts list"


def test_starts_at_the_same_time_have_one_account_and_one_key(tmp_path: Path) -> None:
    database = tmp_path / "kept" / "accounts.db"
    with multiprocessing.get_context("fork").Pool(6) as pool:
        secrets = {ready.secret for ready, _ in pool.map(start, [database] * 6)}
    ledger = Database(str(database))
    (account,) = ledger.read(list_accounts)
    assert len(ledger.read(list_keys, account.id)) == len(secrets) == 1
    assert {file.name for file in database.parent.iterdir()} <= {
        "key",
        "accounts.db",
        "accounts.db-shm",
        "accounts.db-wal",
    }


def test_a_key_that_cannot_be_kept_leaves_no_account_behind(tmp_path: Path) -> None:
    (tmp_path / "key").mkdir()
    with pytest.raises(UserError, match=r"the key in .*key cannot be read: Is a directory"):
        start(tmp_path / "accounts.db")
    assert Database(str(tmp_path / "accounts.db")).read(list_accounts) == []


@pytest.mark.parametrize(
    "place", ["file/accounts.db", "file", "mysql://u:secret@h/x", "postgresql://u:secret@127.0.0.1:1/x"]
)
def test_a_place_where_no_ledger_can_be_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_bytes(b"certainly no database " * 100)
    with pytest.raises(UserError) as refusal:
        start(place)
    assert "\n" not in str(refusal.value)
    assert "secret" not in str(refusal.value)
