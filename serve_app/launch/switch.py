"""Accounts as a command line turns them on or off."""

from typing import Literal

from serve_app.domain.errors import UserError
from serve_app.settings import AccountsSettings, DemoSettings, Settings


def switched(settings: Settings, accounts: Literal["on", "off"] | None, database: str | None) -> Settings:
    """The settings with accounts on, off, or as they say; and the place of the ledger.

    Turned on by the command, they have a demo, unless the settings say whether. Raises UserError where there are no
    accounts for the database.
    """
    wanted = settings.accounts
    if accounts == "off":
        wanted = None
    elif accounts == "on" and (wanted is None or "demo" not in wanted.model_fields_set):
        wanted = _with_demo(wanted or AccountsSettings(), settings)
    if database is not None:
        if wanted is None:
            raise UserError("--database says where accounts are, and they are off: give --accounts on, too")
        wanted = wanted.model_copy(update={"database": database})
    return settings.model_copy(update={"accounts": wanted})


def _with_demo(accounts: AccountsSettings, settings: Settings) -> AccountsSettings:
    """Accounts with a demo, where its limits can be counted: several gateways need a place to do it together."""
    gateways = settings.gateway.max_replicas or settings.gateway.replicas
    if gateways > 1 and accounts.limits_store is None:
        return accounts
    return accounts.model_copy(update={"demo": DemoSettings()})
