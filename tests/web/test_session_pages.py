"""Signing in, out and up, and what a key is made good for."""

from dataclasses import replace

import pytest

from serve_app.domain.account import Session
from serve_app.domain.errors import ServiceError
from tests.api.in_memory_accounts import EMBEDDING_KEY, InMemoryAccounts, InMemoryDesk
from tests.web.visiting import ENTRY, TRY, visiting


async def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites_and_in_the_clear_nowhere() -> None:
    async with visiting() as visitor:
        proxied = {"X-Forwarded-Proto": "https"}
        cookie = (await visitor.send("/account/sign-in", {"key": "rr_ada"}, proxied)).headers["Set-Cookie"]
        assert cookie.startswith("__Host-rayrank_session=")
        assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
        behind = {"Cookie": cookie.partition(";")[0]} | proxied
        assert (await visitor.get("/account", **behind)).status_code == 200


async def test_who_signs_in_again_ends_the_session_before() -> None:
    accounts = InMemoryAccounts()
    async with visiting(accounts, sign_up="open") as visitor:
        first = await visitor.sign_in()
        second = await visitor.sign_in()
        assert list(accounts.sessions) == [second] != [first]
        await visitor.send("/account/sign-up", {"email": "bo@example.org"})
        assert list(accounts.sessions) == [visitor.client.cookies["rayrank_session"]] != [second]


async def test_who_signs_out_has_no_session_in_the_browser_and_none_here() -> None:
    accounts = InMemoryAccounts()
    async with visiting(accounts) as visitor:
        await visitor.sign_in()
        await visitor.send("/account/sign-out", {})
        assert not accounts.sessions
        assert "rayrank_session" not in visitor.client.cookies


async def test_a_session_that_is_over_is_dropped_and_leads_to_signing_in() -> None:
    accounts = InMemoryAccounts()
    async with visiting(accounts) as visitor:
        await visitor.sign_in()
        for secret, key in accounts.keys.items():
            accounts.keys[secret] = replace(key, revoked=1.0)
        tried = await visitor.send(TRY, ENTRY)
        assert (tried.status_code, 'href="/account">Sign in' in tried.text) == (401, True)
        assert (await visitor.get("/")).status_code == 200
        assert (await visitor.get("/account")).status_code == 401
        assert "rayrank_session" not in visitor.client.cookies


async def test_who_signed_in_with_a_key_that_opens_no_account_can_sign_out() -> None:
    accounts = InMemoryAccounts()
    async with visiting(accounts) as visitor:
        await visitor.sign_in(EMBEDDING_KEY)
        page = await visitor.get("/account")
        assert page.status_code == 403
        assert 'action="/account/sign-out"' in page.text
        assert visitor.token in page.text
        await visitor.send("/account/sign-out", {})
        assert not accounts.sessions


async def test_the_first_key_is_told_even_where_no_session_can_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(desk: InMemoryDesk, key: str) -> Session:
        raise ServiceError("unavailable", "the database is away")

    accounts = InMemoryAccounts()
    async with visiting(accounts, sign_up="open") as visitor:
        monkeypatch.setattr(InMemoryDesk, "sign_in", away)
        answer = await visitor.send("/account/sign-up", {"email": "bo@example.org"})
        assert answer.status_code == 200
        assert next(reversed(accounts.keys)) in answer.text
        assert "You are signed in" not in answer.text


async def test_a_key_for_which_nothing_is_chosen_is_not_made_good_for_the_usual() -> None:
    accounts = InMemoryAccounts()
    async with visiting(accounts) as visitor:
        await visitor.sign_in()
        before = len(accounts.keys)
        answer = await visitor.send("/account/keys", {"name": "<script>alert(1)</script>"})
        assert (answer.status_code, len(accounts.keys)) == (400, before)
        assert "choose a scope" in answer.text
        assert "<script>alert" not in answer.text


@pytest.mark.parametrize("fields", [{}, {"cap_usd": "NaN"}])
async def test_who_has_not_signed_in_makes_no_key(fields: dict[str, str]) -> None:
    async with visiting() as visitor:
        assert (await visitor.send("/account/keys", fields)).status_code == 401
