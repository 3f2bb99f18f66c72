import csv
import os
import pty
import re
import subprocess
import time
from datetime import UTC, datetime

import pytest

from loadtest.server.running import RAYRANK
from tests.cli.ledgers import Commands, spend

EMAIL = "ada@example.org"


def test_an_account_is_opened_with_credit_and_found_by_id_and_email(commands: Commands) -> None:
    made = commands.record("accounts", "create", "Ada@Example.org", "--welcome", "0.50", "--requests-per-minute", "7")
    assert (made["email"], made["balance_usd"], made["requests_per_minute"]) == (EMAIL, "0.5", 7)
    for name in (made["id"], EMAIL):
        assert commands.record("accounts", "show", name) == made
    assert commands.records("accounts", "list") == [made]


def test_a_new_account_has_the_welcome_credit_of_the_settings_or_none(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert commands.record("accounts", "create", EMAIL)["balance_usd"] == "25"
    assert commands.record("accounts", "create", "b@example.org", "--welcome", "0")["balance_usd"] == "0"
    monkeypatch.setenv("RAYRANK_ACCOUNTS__WELCOME_USD", "3")
    assert commands.record("accounts", "create", "c@example.org")["balance_usd"] == "3"


def test_a_limit_is_changed_alone_and_0_takes_it_away(commands: Commands) -> None:
    commands.said("accounts", "create", EMAIL, "--requests-per-minute", "7", "--tokens-per-minute", "8")
    changed = commands.record("accounts", "limit", EMAIL, "--requests-per-minute", "0", "--concurrent-requests", "9")
    limits = [changed[name] for name in ("requests_per_minute", "tokens_per_minute", "concurrent_requests")]
    assert limits == [None, 8, 9]


def test_usage_is_summed_and_has_the_exact_cost(commands: Commands) -> None:
    account = commands.record("accounts", "create", EMAIL)["id"]
    for hold, model in enumerate(("m", "m", "n")):
        spend(commands.database, account, 16_001, hold=hold, model=model)
    first, second = commands.records("accounts", "usage", EMAIL)
    assert (first["model"], first["requests"], first["documents"], first["tokens"]) == ("m", 2, 2, 4)
    assert (first["cost_usd"], first["nano_dollars"], second["requests"]) == ("0.000032002", 32_002, 1)
    (row,) = csv.DictReader(commands.said("accounts", "usage", EMAIL, "--csv", "--model", "n").splitlines())
    assert (row["requests"], row["nano_dollars"]) == ("1", "16001")
    tomorrow = datetime.fromtimestamp(time.time() + 86_400, UTC).date().isoformat()
    assert commands.records("accounts", "usage", EMAIL, "--from", tomorrow) == []


def test_an_invitations_code_is_shown_once(commands: Commands) -> None:
    commands.said("accounts", "create", EMAIL)
    made = commands.record("accounts", "invite", "--note", "for Bob", "--days", "3")
    (listed,) = commands.records("accounts", "invites")
    assert (listed["note"], listed["expires"], listed["used_by"]) == ("for Bob", made["expires"], None)
    assert made["code"].startswith(listed["prefix"])
    assert made["code"] not in str(listed)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["accounts", "create", EMAIL], "there is an account of 'ada@example.org' already"),
        (["accounts", "create", "nobody"], "email must be an address"),
        (["accounts", "create", "b@example.org", "--welcome", "much"], "--welcome must be an amount of dollars"),
        (["accounts", "create", "b@example.org", "--requests-per-minute", "-1"], "requests_per_minute must be from 1"),
        (["accounts", "show", "acct_none"], "there is no account 'acct_none'"),
        (["accounts", "limit", EMAIL], "say which limit: --requests-per-minute"),
        (["accounts", "usage", EMAIL, "--to", "yesterday"], "--to must be a day or a time"),
        (["keys", "list", "acct_none"], "there is no account 'acct_none'"),
        (["keys", "create", "acct_none"], "there is no account 'acct_none'"),
        (["keys", "create", EMAIL, "--scope", "root"], "scopes must be of rerank"),
        (["keys", "create", EMAIL, "--cap", "0"], "--cap must be above 0"),
        (["keys", "create", EMAIL, "--period", "day"], "--period says nothing without --cap"),
        (["keys", "revoke", "key_none"], "there is no key 'key_none'"),
        (["credits", "grant", EMAIL, "1e3000"], "USD must be above 0 and at most 1,000,000 dollars"),
        (["credits", "grant", EMAIL, "0.0000000001"], "USD must have at most 9 decimals"),
        (["credits", "grant", EMAIL, "1", "--reference", ""], "reference must have from 1 to 255"),
        (["credits", "list", "acct_none"], "there is no account 'acct_none'"),
        (["ledger", "export", "--account", "acct_none"], "there is no account 'acct_none'"),
    ],
)
def test_a_mistake_is_one_line(commands: Commands, arguments: list[str], said: str) -> None:
    commands.said("accounts", "create", EMAIL)
    assert said in commands.refused(*arguments)


@pytest.mark.parametrize(
    "group", ["accounts list", "keys list a@b", "credits list a@b", "ledger verify", "ledger export"]
)
def test_a_ledger_that_is_not_there_is_not_made_by_asking(commands: Commands, group: str) -> None:
    assert commands.refused(*group.split()).startswith(f"there are no accounts at {commands.database}; `make run`")
    assert not commands.database.parent.exists()


def test_what_is_no_ledger_is_said(commands: Commands) -> None:
    commands.database.parent.mkdir()
    commands.database.write_bytes(b"certainly no database, but long enough to be looked at " * 40)
    for command in (("accounts", "list"), ("accounts", "create", EMAIL)):
        assert commands.refused(*command).endswith("cannot be reached: file is not a database")
    commands.database.write_bytes(b"")
    assert "there are no accounts at" in commands.refused("accounts", "list")


def test_a_ledger_is_nobody_elses_to_read(commands: Commands) -> None:
    commands.said("accounts", "create", EMAIL)
    assert commands.database.parent.stat().st_mode & 0o777 == 0o700
    assert commands.database.stat().st_mode & 0o777 == 0o600


def test_the_place_of_the_ledger_comes_from_the_command_before_the_environment(commands: Commands) -> None:
    commands.said("accounts", "create", EMAIL)
    assert "there are no accounts at elsewhere.db" in commands.refused("accounts", "list", "--database", "elsewhere.db")


def test_a_terminal_gets_tables_and_a_secret_alone(commands: Commands) -> None:
    commands.said("accounts", "create", EMAIL)
    assert re.search(rf"balance \$.*\n.*{EMAIL} +25 ", on_a_terminal("accounts", "list"))
    assert re.search(r"^rr_\w{36}\r?$", on_a_terminal("keys", "create", EMAIL), re.MULTILINE)


def on_a_terminal(*arguments: str) -> str:
    """What a command shows where standard output is a terminal."""
    ours, its = pty.openpty()
    environment = os.environ | {"NO_COLOR": "1", "TERM": "dumb"}
    with os.fdopen(ours, "rb", 0) as terminal:
        done = subprocess.run(
            [str(RAYRANK), *arguments], stdout=its, stderr=subprocess.PIPE, check=True, env=environment
        )
        os.close(its)
        assert b"Traceback" not in done.stderr
        return terminal.read(65_536).decode()
