"""Sessions of those who sign in on the web."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
oldest = "0002"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "sessions",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["key_id"],
            ["api_keys.id"],
        ),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("sessions_by_key", "sessions", ["key_id"], unique=False)
    op.create_index("sessions_by_expiry", "sessions", ["expires"], unique=False)


def downgrade() -> None:
    """Drop the table: whoever is signed in is signed out."""
    op.drop_table("sessions")
