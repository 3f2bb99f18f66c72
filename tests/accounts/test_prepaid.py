"""Who is let in, and what keys may do, with all parts together."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from decimal import Decimal

import pytest

from serve_app.accounts.customers.keys import create_key
from serve_app.accounts.customers.owners import list_accounts, open_account
from serve_app.accounts.prepaid import PrepaidAccounts
from serve_app.accounts.storage.database import Database
from serve_app.domain.account import Cap, KeyWish, Limits
from serve_app.domain.accounts import Credentials
from serve_app.domain.errors import ServiceError
from serve_app.settings import AccountsSettings

Made = Callable[..., PrepaidAccounts]


@pytest.fixture
async def made(place: str) -> AsyncIterator[Made]:
    """Makes the accounts of a gateway with these settings."""
    gateways = []

    def make(**settings: object) -> PrepaidAccounts:
        given = AccountsSettings.model_validate({"database": place, **settings})
        gateways.append(PrepaidAccounts(given, longest_request_s=10))
        return gateways[-1]

    yield make
    for gateway in gateways:
        await gateway.close()


async def test_the_first_page_of_who_has_just_signed_in_asks_for_several_things_at_once(
    made: Made, database: Database
) -> None:
    accounts = made(sign_up="open", welcome_usd=Decimal(1))

    async def ask() -> str:
        async with accounts.visit(Credentials(email="ada@example.org"), "r") as visit:
            return visit.tenant

    assert len(set(await asyncio.gather(*(ask() for _ in range(8))))) == 1
    assert [account.balance for account in database.read(list_accounts)] == [10**9]


@pytest.mark.parametrize("own", [KeyWish(cap=Cap(5, "day")), KeyWish(limits=Limits(5))], ids=["cap", "limits"])
async def test_a_key_with_a_cap_or_limits_does_not_multiply_them(made: Made, database: Database, own: KeyWish) -> None:
    account = database.write(open_account, "ada@example.org", 1).id
    secret = database.write(create_key, account, own, 1).secret
    accounts = made()
    assert accounts.desk
    async with accounts.visit(Credentials(key=secret), "r") as visit:
        for wish in (own, KeyWish()):
            with pytest.raises(ServiceError, match="makes no keys") as raised:
                await accounts.desk.create_key(visit, wish)
            assert raised.value.code == "forbidden"


async def test_who_has_no_invite_learns_nothing_of_who_has_an_account(made: Made, database: Database) -> None:
    database.write(open_account, "ada@example.org", 1)
    accounts = made(sign_up="invite")
    assert accounts.desk
    for email in ("ada@example.org", "eve@example.org"):
        with pytest.raises(ServiceError) as raised:
            await accounts.desk.sign_up(email, "inv_guessed", "10.0.0.1")
        assert (raised.value.code, raised.value.param) == ("forbidden", "invite")


async def test_statements_that_take_long_keep_nobody_waiting_at_the_door(made: Made, database: Database) -> None:
    account = database.write(open_account, "ada@example.org", 1).id
    secret = database.write(create_key, account, KeyWish(), 1).secret
    accounts = made()
    statements = [asyncio.create_task(accounts._background.read(lambda _: time.sleep(2))) for _ in range(4)]
    await asyncio.sleep(0.1)
    async with asyncio.timeout(1), accounts.visit(Credentials(key=secret), "r") as visit:
        assert visit.tenant == account
    for statement in statements:
        statement.cancel()
