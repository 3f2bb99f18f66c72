from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from serve_app.accounts.customers import owners
from serve_app.accounts.customers.invites import create_invite, list_invites, use_invite
from serve_app.accounts.customers.owners import (
    ensure_account,
    find_account,
    grant,
    limit_account,
    list_accounts,
    open_account,
    require_account,
)
from serve_app.accounts.ledger.verify import verify
from serve_app.accounts.storage.database import Database
from serve_app.domain.account import Limits
from serve_app.domain.errors import ServiceError

NOW = 1_790_000_000_000
DOLLAR = 10**9


def refusal(work: object, *given: object, **named: object) -> ServiceError:
    with pytest.raises(ServiceError) as raised:
        work(*given, **named)  # type: ignore[operator]
    return raised.value


def test_an_account_begins_with_its_welcome_credit(database: Database) -> None:
    opened = database.write(open_account, " Ada@Example.org ", NOW, welcome_usd=Decimal("25"), limits=Limits(60))
    assert (opened.email, opened.balance, opened.granted, opened.held) == (
        "ada@example.org",
        25 * DOLLAR,
        25 * DOLLAR,
        0,
    )
    assert (opened.created, opened.limits, opened.spent) == (NOW / 1000, Limits(60), 0)
    for name in (opened.id, "ADA@example.ORG"):
        assert database.read(find_account, name) == opened
    assert database.read(find_account, "eve@example.org") is None
    limited = database.write(limit_account, "ada@example.org", Limits(None, 10, 2))
    assert limited.limits == Limits(None, 10, 2)
    assert database.read(verify).faults == ()


def test_who_opens_an_account_while_another_gateway_does_finds_that_one(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = database.write(open_account, "ada@example.org", NOW)
    real, too_early = find_account, [None]
    monkeypatch.setattr(owners, "find_account", lambda *of: too_early.pop() if too_early else real(*of))
    assert database.write(ensure_account, "ada@example.org", NOW, welcome_usd=Decimal(1)) == theirs
    assert too_early == []
    assert len(database.read(list_accounts)) == 1


@pytest.mark.parametrize("email", ["", "ada", "a b@c", "@", "x" * 250 + "@y.zz", "a@\u202eb"])
def test_an_address_that_is_none_opens_nothing(database: Database, email: str) -> None:
    error = refusal(database.write, open_account, email, NOW)
    assert (error.code, error.param) == ("invalid_request", "email")
    assert database.read(list_accounts) == []


def test_one_address_has_one_account_however_many_open_it_at_once(database: Database) -> None:
    def open_it(_: int) -> str:
        try:
            return database.write(open_account, "ada@example.org", NOW, welcome_usd=Decimal(1)).id
        except ServiceError as error:
            return error.message

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(open_it, range(8)))
    assert outcomes.count("there is an account of 'ada@example.org' already") == 7
    assert database.read(require_account, "ada@example.org").balance == DOLLAR


def test_a_reference_grants_once(database: Database) -> None:
    account = database.write(open_account, "ada@example.org", NOW).id
    first = database.write(grant, account, DOLLAR, "invoice 7", "by hand", now=NOW)
    again = database.write(grant, "ada@example.org", DOLLAR, "invoice 7", "by hand", now=NOW + 5)
    assert (first.again, again.again, again.at, again.balance) == (False, True, first.at, DOLLAR)
    other = database.write(open_account, "eve@example.org", NOW).id
    for name, amount in ((account, DOLLAR + 1), (other, DOLLAR)):
        error = refusal(database.write, grant, name, amount, "invoice 7", "", now=NOW)
        assert (error.code, error.param) == ("invalid_request", "reference")
    with ThreadPoolExecutor(4) as pool:
        raced = list(pool.map(lambda _: database.write(grant, other, 5, "raced", "", now=NOW), range(8)))
    assert [each.again for each in raced].count(False) == 1
    assert database.read(require_account, other).balance == 5


@pytest.mark.parametrize(
    ("amount", "reference", "param"),
    [(0, "r", "usd"), (-5, "r", "usd"), (10**15 + 1, "r", "usd"), (1, "", "reference"), (1, "r\n", "reference")],
)
def test_an_absurd_grant_leaves_the_ledger_as_it_was(
    database: Database, amount: int, reference: str, param: str
) -> None:
    account = database.write(open_account, "ada@example.org", NOW).id
    error = refusal(database.write, grant, account, amount, reference, "", now=NOW)
    assert (error.code, error.param) == ("invalid_request", param)
    assert refusal(database.write, grant, "acct_nobody", 1, "r", "", now=NOW).code == "not_found"
    verdict = database.read(verify)
    assert (verdict.entries, verdict.balance, verdict.faults) == (0, 0, ())


def test_a_balance_is_bounded(database: Database) -> None:
    account = database.write(open_account, "ada@example.org", NOW).id
    for number in range(10):
        database.write(grant, account, 10**15, str(number), "", now=NOW)
    assert "above $10,000,000" in refusal(database.write, grant, account, 1, "more", "", now=NOW).message


def test_an_invite_opens_one_account(database: Database) -> None:
    code, late = database.write(create_invite, "for Ada", NOW), database.write(create_invite, "", NOW, NOW / 1000 + 60)
    account = database.write(open_account, "ada@example.org", NOW).id
    database.write(use_invite, code, account, NOW)
    for given, when in ((code, NOW), ("inv_none", NOW), (late, NOW + 60_000)):
        assert refusal(database.write, use_invite, given, account, when).code == "forbidden"
    assert {(invite.note, invite.used_by) for invite in database.read(list_invites)} == {
        ("for Ada", account),
        ("", None),
    }
