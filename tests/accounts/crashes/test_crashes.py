"""What is promised of money holds whatever dies, and whenever."""

from pathlib import Path

import pytest

from loadtest.server.postgres import PostgresServer
from tests.accounts.crashes.run import torment

KILLS = 6


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_whatever_is_killed_each_answer_is_charged_once_and_nothing_stays_held(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    postgres: PostgresServer | None = request.getfixturevalue("postgres") if kind == "postgresql" else None
    place = postgres.new_database() if postgres else str(tmp_path / "accounts.db")
    report = await torment(place, postgres, KILLS, tmp_path)
    assert report.judgement.faults == []
    assert report.judgement.delivered > KILLS
    assert report.struck["gateway"] >= 2
