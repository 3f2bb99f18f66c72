"""Bringing the tables to this version's form."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from serve_app.domain.errors import UserError


def upgrade(connection: Connection, place: str) -> None:
    """Run in the connection's transaction what the tables lack. Raises UserError where they are of a newer version."""
    config = _config()
    config.attributes["connection"] = connection
    if not _is_current(connection, place):
        command.upgrade(config, "head")


def require_current(connection: Connection, place: str) -> None:
    """Raise UserError where there are no tables, or they have another version's form."""
    if not _is_current(connection, place):
        form = _form(connection)
        if form is None:
            raise UserError(no_accounts(place))
        raise UserError(f"the accounts in {place} are of an older rayrank (form {form}); `make run` renews them")


def no_accounts(place: str) -> str:
    """What is said where there is no ledger of this version."""
    return f"there are no accounts at {place}; `make run` or `rayrank accounts create` makes them"


def _is_current(connection: Connection, place: str) -> bool:
    """Whether the tables have this version's form. Raises UserError where theirs is a newer one."""
    scripts = ScriptDirectory.from_config(_config())
    current = _form(connection)
    if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
        raise UserError(f"the accounts in {place} are of a newer rayrank (form {current}): run that one, or a backup")
    return current == scripts.get_current_head()


def _form(connection: Connection) -> str | None:
    """Which form the tables have; None where there are none."""
    return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    return config
