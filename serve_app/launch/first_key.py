"""The first account of a machine's own ledger, and the key with which its curl line works."""

import os
import shlex
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from sqlalchemy import Connection

from serve_app.accounts.customers.keys import check_form, create_key, find_key, require_usable
from serve_app.accounts.customers.owners import open_account
from serve_app.accounts.operator import first_account
from serve_app.accounts.storage.database import FOLDER_MODE, Database
from serve_app.accounts.storage.opened import opened
from serve_app.domain.account import SCOPES, KeyWish
from serve_app.domain.errors import ServiceError, UserError
from serve_app.domain.price import format_usd
from serve_app.settings import AccountsSettings

OWNER = "owner@localhost"
WISH = KeyWish(name="make run", scopes=SCOPES)
DEFAULT_DATABASE = AccountsSettings().database
KEY_FILE = "key"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A ledger that is ready to be served from.

    settings: with the database's place as any process of this machine finds it. secret: a key for all that there is.
    file: where that key is kept. list_accounts: the command that shows balances.
    """

    settings: AccountsSettings
    secret: str = field(repr=False)
    file: Path
    list_accounts: str


def prepare(settings: AccountsSettings, console: Console) -> Prepared:
    """Make the ledger, or bring it to this version's form, and have a key that works for whoever starts the service.

    The key of an earlier start is taken where it is still good; else there is a new one, of the first account. console:
    told that. Raises UserError, which says in one line what is in the way.
    """
    with opened(settings.database, make=True) as database:
        file = _key_file(database)
        secret, news = database.write(_key, file, settings)
        place = str(database.path.absolute()) if database.path else settings.database
    if news:
        console.print(f"rayrank: {news}", markup=False)
    elsewhere = "" if settings.database == DEFAULT_DATABASE else f" --database {shlex.quote(str(database))}"
    found = settings.model_copy(update={"database": place})
    return Prepared(found, secret, _near(file), f"rayrank accounts list{elsewhere}")


def _key_file(database: Database) -> Path:
    return (database.path.parent if database.path else Path(DEFAULT_DATABASE).parent).absolute() / KEY_FILE


def _near(file: Path) -> Path:
    """Where it is, seen from here."""
    here = Path.cwd()
    return file.relative_to(here) if file.is_relative_to(here) else file


def _key(connection: Connection, file: Path, settings: AccountsSettings) -> tuple[str, str]:
    """A key that is good and lies in the file, both once the transaction ends; and what is new, if anything.

    Whoever starts at the same time waits at the account, and then finds the file.
    """
    now = int(time.time() * 1000)
    account = first_account(connection, OWNER)
    kept = _kept(file)
    if account is None:
        account = open_account(connection, OWNER, now, welcome_usd=settings.welcome_usd)
        why = f"the account {account.email} is opened with ${format_usd(account.balance)}"
    elif kept is None:
        why = f"there is no key in {_near(file)}"
    else:
        try:
            check_form(kept)
            require_usable(find_key(connection, kept), now / 1000)
        except ServiceError as error:
            why = f"the key in {_near(file)} cannot be used: {error.message}"
        else:
            return kept, ""
    new = create_key(connection, account.id, WISH, now)
    _keep(file, new.secret)
    return new.secret, f"{why}; a new key of {account.email} is in {_near(file)}"


def _kept(file: Path) -> str | None:
    """What the file has; None where there is none. Raises UserError where it cannot be read."""
    try:
        return file.read_text("utf-8", errors="replace").strip() or None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"the key in {file} cannot be read: {error.strerror}") from None


def _keep(file: Path, secret: str) -> None:
    """Write the file whole or not at all; nobody else can read it at any moment. Raises UserError."""
    try:
        file.parent.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
        number, part = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")  # mode 0600 from its creation on
        try:
            with os.fdopen(number, "w") as output:
                output.write(f"{secret}\n")
                output.flush()
                os.fsync(number)
            Path(part).replace(file)
        except OSError:
            Path(part).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UserError(f"the key cannot be kept in {file}: {error.strerror}") from None
