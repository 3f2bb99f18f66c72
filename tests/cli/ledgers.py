"""Commands about accounts, as a user gives them, each on a ledger of its own."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from serve_app.accounts.ledger.operations import Authorise, Capture, HoldOrder
from serve_app.accounts.ledger.settlement import settle
from serve_app.accounts.storage.database import Database
from tests.cli.command import rayrank


class Commands:
    """Runs commands on one ledger."""

    def __init__(self, database: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.database = database
        self._monkeypatch, self._capsys = monkeypatch, capsys
        monkeypatch.setenv("RAYRANK_ACCOUNTS__DATABASE", str(database))
        monkeypatch.setenv("COLUMNS", "200")

    def said(self, *arguments: str) -> str:
        """What a command that must succeed says on standard output."""
        status = rayrank(self._monkeypatch, *arguments)
        output, error = self._capsys.readouterr()
        assert status == 0, error
        return output

    def records(self, *arguments: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.said(*arguments).splitlines()]

    def record(self, *arguments: str) -> dict[str, Any]:
        (found,) = self.records(*arguments)
        return found

    def refused(self, *arguments: str) -> str:
        """The one line of a command that must fail."""
        assert rayrank(self._monkeypatch, *arguments) == 1
        output, error = self._capsys.readouterr()
        assert output == ""
        assert error.startswith("rayrank: ")
        assert error.count("\n") == 1
        return error.removeprefix("rayrank: ").rstrip("\n")


def spend(database: Path, account: str, amount: int, *, hold: int, model: str = "m") -> None:
    """Have an account pay for a request of one document and two tokens, now."""
    at = int(time.time() * 1000)
    order = HoldOrder(hold, account, "key_a", 2 * amount, at)
    ledger = Database(str(database))
    capture = Capture(order, amount, at, model, "standard", documents=1, tokens=2, request_id=f"=request {hold}")
    assert ledger.write(settle, [Authorise(order)]) == [None]
    assert ledger.write(settle, [capture]) == [None]
    ledger.forget_connections()
