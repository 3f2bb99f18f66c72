"""Which older builds may work on the tables, so that a newer build and an older one serve side by side."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
oldest = "0003"


def upgrade() -> None:
    """Make the table; what it says is written after every migration."""
    op.create_table(
        "compatibility",
        sa.Column("oldest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("oldest"),
    )


def downgrade() -> None:
    """Take it away."""
    op.drop_table("compatibility")
