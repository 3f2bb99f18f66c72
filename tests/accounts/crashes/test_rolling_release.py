"""A newer build whose ledger has a further form is rolled out, and back, while clients ask and pay."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import inspect

from serve_app.accounts.storage.database import Database
from tests.accounts.crashes.gateways import GatewayProcess
from tests.accounts.crashes.run import under_load
from tests.accounts.crashes.tally import Tally

NEWER = """
import sqlalchemy as sa
from alembic import op

revision = "newer"
down_revision = "0003"
oldest = "0003"


def upgrade():
    op.add_column("entries", sa.Column("invoice", sa.Text(), nullable=True))
    op.add_column("accounts", sa.Column("currency", sa.Text(), nullable=False, server_default="USD"))
"""
ANSWERS, WITHIN_S = 10, 20.0  # of each pair of builds


async def test_a_newer_build_is_rolled_out_and_back_without_a_wrong_charge(place: str, tmp_path: Path) -> None:
    migrations = tmp_path / "migrations"
    migrations.mkdir()
    (migrations / "newer.py").write_text(NEWER)

    async def roll(gateways: Sequence[GatewayProcess], tally: Tally) -> None:
        assert await tally.some_answers(ANSWERS, WITHIN_S)
        for build in (migrations, None):
            for gateway in gateways:
                await asyncio.to_thread(gateway.end)
                gateway.start(build)
                await gateway.serves()
                assert await tally.some_answers(ANSWERS, WITHIN_S)

    report = await under_load(place, tmp_path, roll)
    assert report.judgement.faults == []
    assert report.judgement.unsure == 0
    assert report.judgement.delivered > 5 * ANSWERS
    columns = inspect(Database(place).engine).get_columns("entries")
    assert "invoice" in {column["name"] for column in columns}
