import time
from pathlib import Path

from serve_app.accounts.customers.keys import find_key
from serve_app.accounts.storage.database import Database
from tests.cli.ledgers import Commands

EMAIL = "ada@example.org"
DAY_S = 86_400


def test_a_key_has_what_was_asked_for_and_its_secret_is_shown_once(commands: Commands) -> None:
    account = commands.record("accounts", "create", EMAIL)["id"]
    asked = ["--name", "a search box", "--scope", "account", "--scope", "rerank", "-m", "x", "--model", "y"]
    asked += ["--cap", "0.10", "--period", "day", "--days", "2", "--tokens-per-minute", "5"]
    made = commands.record("keys", "create", EMAIL, *asked)
    secret = made.pop("secret")
    (listed,) = commands.records("keys", "list", account)
    assert listed == made
    assert secret not in str(listed)
    assert secret.encode() not in _written(commands.database)
    assert (made["name"], made["scopes"], made["models"]) == ("a search box", ["rerank", "account"], ["x", "y"])
    assert (made["cap_usd"], made["cap_period"], made["tokens_per_minute"]) == ("0.1", "day", 5)
    found = Database(str(commands.database)).read(find_key, secret)
    assert found is not None
    assert found.expires is not None
    assert 0 < time.time() + 2 * DAY_S - found.expires < 60


def test_a_key_is_no_administrators_unless_that_is_said(commands: Commands) -> None:
    commands.said("accounts", "create", EMAIL)
    assert commands.record("keys", "create", EMAIL)["scopes"] == ["rerank", "embeddings", "account"]
    assert commands.record("keys", "create", EMAIL, "--cap", "1")["cap_period"] == "month"


def test_a_revoked_key_stays_revoked(commands: Commands) -> None:
    commands.said("accounts", "create", EMAIL)
    key = commands.record("keys", "create", EMAIL)["id"]
    revoked = commands.record("keys", "revoke", key)["revoked"]
    assert revoked is not None
    assert commands.record("keys", "revoke", key)["revoked"] == revoked
    assert commands.record("keys", "list", EMAIL)["revoked"] == revoked


def _written(database: Path) -> bytes:
    """All that lies on the disk of a ledger."""
    return b"".join(file.read_bytes() for file in database.parent.iterdir())
