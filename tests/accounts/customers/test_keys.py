import asyncio
import zlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from serve_app.accounts.customers.keys import (
    ALPHABET,
    MOST_KEYS,
    check_form,
    create_key,
    find_key,
    list_keys,
    new_secret,
    require_usable,
    revoke_key,
)
from serve_app.accounts.customers.lookup import Customers, Found
from serve_app.accounts.customers.owners import open_account
from serve_app.accounts.storage.database import Database
from serve_app.accounts.storage.tables import api_keys, metadata
from serve_app.domain.account import Account, Cap, KeyWish, Limits
from serve_app.domain.errors import ServiceError

NOW = 1_790_000_000_000


@pytest.fixture
def account(database: Database) -> str:
    return database.write(open_account, "ada@example.org", NOW).id


def refused(secret: str) -> ServiceError:
    with pytest.raises(ServiceError) as raised:
        check_form(secret)
    assert raised.value.code == "invalid_api_key"
    return raised.value


@given(st.integers(3, 38), st.sampled_from(ALPHABET))
def test_a_slip_of_the_pen_is_told_from_an_unknown_key(place: int, letter: str) -> None:
    secret = new_secret()
    check_form(secret)
    slipped = secret[:place] + letter + secret[place + 1 :]
    if slipped != secret:
        assert refused(slipped).message == "the API key is malformed: its last characters do not fit the others"


@given(st.text())
def test_what_is_no_key_is_refused_and_not_repeated(junk: str) -> None:
    message = refused(junk).message
    assert len(junk.strip()) < 4 or junk not in message


def test_a_checksum_is_the_crc32_in_six_digits_of_base_62() -> None:
    secret = new_secret()
    value = 0
    for digit in secret[-6:]:
        value = value * 62 + ALPHABET.index(digit)
    assert value == zlib.crc32(secret[3:-6].encode())


def test_a_key_is_found_by_its_secret_which_is_kept_nowhere(database: Database, account: str) -> None:
    wish = KeyWish(
        name="ci",
        scopes=("account", "rerank"),
        models=("org/model",),
        cap=Cap(5_000, "month"),
        limits=Limits(60, None, 4),
        expires=NOW / 1000 + 60,
    )
    made = database.write(create_key, account, wish, NOW)
    assert database.read(find_key, made.secret) == made.key
    assert (made.key.scopes, made.key.cap, made.key.limits) == (("rerank", "account"), Cap(5_000, "month"), wish.limits)
    assert made.secret.startswith(made.key.prefix)
    assert len(made.key.prefix) == 8
    assert made.secret not in repr(made)
    assert database.read(find_key, new_secret()) is None
    with database.snapshot() as connection:
        for table in metadata.tables.values():
            for row in connection.execute(select(table)):
                assert made.secret[9:] not in repr(row)


def test_why_a_key_is_of_no_use_is_said(database: Database, account: str) -> None:
    made = database.write(create_key, account, KeyWish(expires=NOW / 1000 + 60), NOW)
    require_usable(made.key, NOW / 1000 + 59.9)
    with pytest.raises(ServiceError, match="has expired"):
        require_usable(made.key, NOW / 1000 + 60)
    revoked = database.write(revoke_key, account, made.key.id, NOW + 5)
    assert database.write(revoke_key, account, made.key.id, NOW + 9) == revoked
    with pytest.raises(ServiceError, match="was revoked"):
        require_usable(revoked, NOW / 1000)
    with pytest.raises(ServiceError, match="is not known"):
        require_usable(None, NOW / 1000)


def test_only_its_owner_revokes_a_key(database: Database, account: str) -> None:
    other = database.write(open_account, "eve@example.org", NOW).id
    made = database.write(create_key, account, KeyWish(), NOW)
    with pytest.raises(ServiceError, match="there is no key") as raised:
        database.write(revoke_key, other, made.key.id, NOW)
    assert raised.value.code == "not_found"
    assert [key.revoked for key in database.read(list_keys, account)] == [None]


@pytest.mark.parametrize(
    ("wish", "param"),
    [
        (KeyWish(name="n" * 101), "name"),
        (KeyWish(scopes=()), "scopes"),
        (KeyWish(scopes=("rerank", "root")), "scopes"),  # type: ignore[arg-type]
        (KeyWish(models=("m",) * 101), "models"),
        (KeyWish(cap=Cap(0, "day")), "cap_usd"),
        (KeyWish(cap=Cap(-1, "day")), "cap_usd"),
        (KeyWish(cap=Cap(10**16, "day")), "cap_usd"),
        (KeyWish(expires=NOW / 1000), "expires"),
        (KeyWish(expires=float("nan")), "expires"),
        (KeyWish(expires=1e300), "expires"),
        (KeyWish(limits=Limits(0)), "requests_per_minute"),
        (KeyWish(limits=Limits(None, -1)), "tokens_per_minute"),
        (KeyWish(limits=Limits(None, None, 2**31)), "concurrent_requests"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_by_name(
    database: Database, account: str, wish: KeyWish, param: str
) -> None:
    with pytest.raises(ServiceError) as raised:
        database.write(create_key, account, wish, NOW)
    assert (raised.value.code, raised.value.param) == ("invalid_request", param)
    assert param in raised.value.message
    assert database.read(list_keys, account) == []


async def test_a_revoked_key_is_known_to_be_within_moments_and_an_unknown_one_is_asked_for_again(
    database: Database, account: str
) -> None:
    made = database.write(create_key, account, KeyWish(), NOW)
    asked = []

    async def read(query: Callable[..., object], secret: str) -> object:
        asked.append(secret)
        return database.read(query, secret)

    customers = Customers(read, fresh_s=0.0)  # type: ignore[arg-type]
    remembering = Customers(read, fresh_s=60.0)  # type: ignore[arg-type]
    for each in (customers, remembering, remembering):
        assert (await each.of_key(made.secret)).account.id == account
    assert len(asked) == 2
    database.write(revoke_key, account, made.key.id, NOW)
    with pytest.raises(ServiceError, match="was revoked"):
        await customers.of_key(made.secret)
    unknown = new_secret()
    for _ in range(2):
        with pytest.raises(ServiceError, match="is not known"):
            await remembering.of_key(unknown)
    assert asked[-2:] == [unknown, unknown]


async def test_while_a_database_does_not_answer_keys_are_refused_at_once_and_then_found_again() -> None:
    known = Found(Account("acct_a", "ada@example.org", 1.0, 0, 0, 0), None)
    answers, asked = asyncio.Event(), []

    async def read(_: object, name: str) -> Found:
        asked.append(name)
        await answers.wait()
        return known

    customers = Customers(read, patience_s=0.2)
    slow = await asyncio.gather(*(customers.of_email("ada@example.org") for _ in range(20)), return_exceptions=True)
    assert [getattr(outcome, "code", outcome) for outcome in slow] == ["unavailable"] * 20
    assert len(asked) == 1  # for all of them
    began = asyncio.get_running_loop().time()
    for number in range(20):
        with pytest.raises(ServiceError):
            await customers.of_email(f"{number}@example.org")
    assert asyncio.get_running_loop().time() - began < 0.1
    answers.set()
    await asyncio.sleep(0)
    for name in ("ada@example.org", "eve@example.org"):
        customer = await customers.of_email(name)
        assert customer
        assert customer.account == known.account


def test_keys_of_an_account_are_bounded(database: Database, account: str) -> None:
    made = database.write(create_key, account, KeyWish(), NOW)
    with database.transaction() as connection:
        row = dict(connection.execute(select(api_keys)).mappings().one())
        many = [row | {"id": f"key_{n}", "digest": bytes([n % 256, n // 256])} for n in range(MOST_KEYS - 1)]
        connection.execute(api_keys.insert(), many)
    with pytest.raises(ServiceError, match="1,000 keys"):
        database.write(create_key, account, replace(KeyWish(), name="one more"), NOW)
    assert database.read(find_key, made.secret) == made.key
