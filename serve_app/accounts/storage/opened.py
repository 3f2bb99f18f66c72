"""A ledger as a command opens it: what is wrong with it is said in one line, for whoever can mend it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from serve_app.accounts.storage.database import AwayError, Database
from serve_app.accounts.storage.migrations.run import no_accounts, require_current
from serve_app.domain.errors import ServiceError, UserError


@contextmanager
def opened(place: str, *, make: bool = False) -> Iterator[Database]:
    """The ledger at a place, for the time of a command. make: make it, or bring it to this version's form.

    Raises UserError where it cannot be had, and for whatever goes wrong with it meanwhile.
    """
    # The words of the database are in the error; the traceback that gateways log is of no use on a terminal.
    logging.getLogger("rayrank.accounts").addHandler(logging.NullHandler())
    database = Database(place)
    try:
        if make:
            database.migrate()
        elif database.path and not database.path.exists():
            raise UserError(no_accounts(str(database)))
        else:
            database.read(require_current, str(database))
        yield database
    except ServiceError as error:
        raise UserError(_said(error, database)) from None
    finally:
        database.forget_connections()


def _said(error: ServiceError, database: Database) -> str:
    if not isinstance(error, AwayError):
        return error.message
    return f"the accounts at {database} cannot be reached: {error.reason}"
