from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from serve_app.accounts.customers.invites import create_invite
from serve_app.accounts.desk import SIGN_UPS
from serve_app.accounts.prepaid import PrepaidAccounts
from serve_app.accounts.storage.database import Database
from serve_app.domain.account import KeyWish
from serve_app.domain.accounts import Credentials
from serve_app.domain.errors import ServiceError
from serve_app.settings import AccountsSettings


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[PrepaidAccounts]:
    settings = AccountsSettings(database=str(tmp_path / "accounts.db"), sign_up="open", welcome_usd=1)
    accounts = PrepaidAccounts(settings, longest_request_s=60)
    yield accounts
    await accounts.close()


async def test_an_address_opens_a_few_accounts_a_day(opened: PrepaidAccounts) -> None:
    for number in range(SIGN_UPS):
        await opened.desk.sign_up(f"{number}@example.org", None, "10.0.0.1")
    with pytest.raises(ServiceError) as raised:
        await opened.desk.sign_up("one.more@example.org", None, "10.0.0.1")
    assert raised.value.code == "rate_limited"
    assert raised.value.retry_after_s == pytest.approx(86_400, abs=60)
    account, key = await opened.desk.sign_up("one.more@example.org", None, "10.0.0.2")
    assert (account.balance, key.key.made_by) == (10**9, None)


async def test_a_key_says_which_key_has_made_it(opened: PrepaidAccounts) -> None:

    _, first = await opened.desk.sign_up("ada@example.org", None, "10.0.0.1")
    async with opened.visit(Credentials("10.0.0.1", first.secret), "request") as visit:
        made = await opened.desk.create_key(visit, KeyWish(name="second"))
        assert made.key.made_by == first.key.id
        assert [key.made_by for key in await opened.desk.keys(visit)] == [first.key.id, None]


async def test_invites_are_not_counted_by_address(tmp_path: Path) -> None:
    place = str(tmp_path / "accounts.db")
    accounts = PrepaidAccounts(AccountsSettings(database=place, sign_up="invite"), longest_request_s=60)
    for number in range(SIGN_UPS + 1):
        code = Database(place).write(create_invite, "", 1)
        await accounts.desk.sign_up(f"{number}@example.org", code, "10.0.0.1")
    await accounts.close()
