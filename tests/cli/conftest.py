from pathlib import Path

import pytest

from tests.cli.ledgers import Commands


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(tmp_path / "kept" / "accounts.db", monkeypatch, capsys)
