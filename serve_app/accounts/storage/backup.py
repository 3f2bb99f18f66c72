"""A copy of a ledger that is in use."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from serve_app.accounts.storage.database import FILE_MODE, Database
from serve_app.domain.errors import UserError


def back_up(database: Database, copy: Path) -> None:
    """Copy a SQLite ledger as it is at one moment; others write meanwhile.

    Raises UserError where the copy is there already or cannot be written, and for PostgreSQL, which has its own tools.
    """
    if database.path is None:
        raise UserError(f"{database} is no file: copy it with pg_dump")
    try:
        os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))
    except OSError as error:
        raise UserError(f"cannot write {copy}: {error.strerror}") from None
    try:
        with closing(sqlite3.connect(database.path)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
    except sqlite3.Error as error:
        copy.unlink(missing_ok=True)
        raise UserError(f"cannot copy {database} to {copy}: {error}") from None
