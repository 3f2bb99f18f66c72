"""Bringing the tables to this version's form, and one form back.

Each file in `versions/` has, beside what alembic reads, `oldest`: the oldest form whose builds may go on working on the
tables once they have this one. It stands in the tables, so that an older build, which does not know the form, can tell
whether it is still welcome: that is what lets a release be rolled out, and back, without ending the service.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, delete, insert, inspect, select

from serve_app.accounts.storage.tables import compatibility
from serve_app.domain.errors import UserError

VERSIONS = [Path(__file__).parent / "versions"]


def upgrade(connection: Connection, place: str) -> None:
    """Run in the connection's transaction what the tables lack.

    Raises UserError where they are of a newer version that this build must not work on.
    """
    if not _is_fit(connection, place):
        command.upgrade(_config(connection), "head")
        _write_oldest(connection)


def downgrade(connection: Connection, place: str) -> str:
    """Bring the tables one form back, in the connection's transaction; the form that they have then.

    Raises UserError where they have a form that this build does not know, or the first one.
    """
    form = _form(connection)
    if form is None:
        raise UserError(no_accounts(place))
    script = {each.revision: each for each in _scripts().walk_revisions()}.get(form)
    if script is None:
        raise UserError(f"the accounts in {place} are of a newer rayrank (form {form}): only that one takes them back")
    before = script.down_revision
    if not isinstance(before, str):
        raise UserError(f"the accounts in {place} have the first form, {form}")
    command.downgrade(_config(connection), before)
    _write_oldest(connection)
    return before


def require_current(connection: Connection, place: str) -> None:
    """Raise UserError where there are no tables, or this build cannot work on them."""
    if not _is_fit(connection, place):
        form = _form(connection)
        if form is None:
            raise UserError(no_accounts(place))
        renew = "`make run` or `rayrank ledger migrate` renews them"
        raise UserError(f"the accounts in {place} are of an older rayrank (form {form}); {renew}")


def no_accounts(place: str) -> str:
    """What is said where there is no ledger of this version."""
    return f"there are no accounts at {place}; `make run` or `rayrank accounts create` makes them"


def _is_fit(connection: Connection, place: str) -> bool:
    """Whether this build can work on the tables as they are: they have its form, or a newer one that welcomes it.

    Raises UserError where theirs is a newer one that does not.
    """
    scripts, form = _scripts(), _form(connection)
    known = {script.revision for script in scripts.walk_revisions()}
    if form is None or form in known:
        return form == scripts.get_current_head()
    if _oldest(connection) not in known:
        raise UserError(f"the accounts in {place} are of a newer rayrank (form {form}): run that one, or a backup")
    return True


def _form(connection: Connection) -> str | None:
    """Which form the tables have; None where there are none."""
    return MigrationContext.configure(connection).get_current_revision()


def _oldest(connection: Connection) -> str | None:
    """The form of the oldest build that may work on the tables; None where they are too old to say."""
    if not inspect(connection).has_table(compatibility.name):
        return None
    return connection.scalar(select(compatibility.c.oldest))


def _write_oldest(connection: Connection) -> None:
    form = _form(connection)
    if form is None or not inspect(connection).has_table(compatibility.name):
        return
    connection.execute(delete(compatibility))
    connection.execute(insert(compatibility).values(oldest=_scripts().get_revision(form).module.oldest))


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(Path(__file__).parent), version_locations=[str(folder) for folder in VERSIONS])


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("version_locations", "\n".join(str(folder) for folder in VERSIONS))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    return config
