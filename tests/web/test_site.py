"""What every page and form has in common: who may send a form, what it may hold, and how an answer is kept safe."""

import re
from typing import Any
from urllib.parse import parse_qsl

import pytest
from jinja2 import Environment

from serve_app.settings import HttpSettings
from serve_app.web.site import LARGEST_FORM, _fields
from tests.api.in_memory_accounts import ADMIN_KEY, EMAIL, KEY, InMemoryAccounts
from tests.web.visiting import ENTRY, TRY, visiting

PAGES = ["/", "/models", TRY, f"{TRY}?part=live", "/compare", "/account", "/account/usage.csv", "/status", "/style"]
IDENTITY = "X-Forwarded-Email"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://behind.a.proxy"}, 303),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "http://rayrank"}, 303),
        ({"Origin": "https://rayrank"}, 303),
        ({"Origin": "http://rayrank.evil"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "null", "Host": ""}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": ""}, 403),
    ],
)
async def test_no_other_web_site_sends_a_form(headers: dict[str, str], status: int) -> None:
    async with visiting() as visitor:
        assert (await visitor.send("/account/sign-in", {"key": KEY}, headers)).status_code == status


async def test_nor_one_for_who_has_signed_in_at_a_proxy() -> None:
    async with visiting(identity_header=IDENTITY) as visitor:
        who = {IDENTITY: EMAIL}
        fields = {"name": "theirs", "scopes": "rerank"}
        assert (await visitor.send("/account/keys", fields, who | {"Origin": "http://evil"})).status_code == 403
        assert "theirs" not in (await visitor.get("/account", **who)).text
        assert (await visitor.send("/account/keys", fields, who)).status_code == 200


async def test_a_form_bears_the_token_of_its_own_session() -> None:
    async with visiting() as visitor:
        await visitor.sign_in()
        others = visitor.token
        await visitor.sign_in()
        for token in ("", others, f"{visitor.token}="):
            assert (await visitor.send(TRY, ENTRY | {"csrf": token})).status_code == 403
        assert "admitted" not in visitor.service.events
        assert (await visitor.send(TRY, ENTRY)).status_code == 200


async def test_the_api_reads_no_cookie() -> None:
    async with visiting() as visitor:
        await visitor.sign_in()
        assert (await visitor.get("/account")).status_code == 200
        for path in ("/account", "/v1/account", "/v1/usage"):
            assert (await visitor.get(path, Accept="application/json")).status_code == 401


async def test_no_cache_in_between_keeps_a_page_and_no_page_runs_or_is_framed_elsewhere() -> None:
    async with visiting() as visitor:
        await visitor.sign_in()
        for path in [*PAGES, "/models/none", "/nowhere"]:
            answer = await visitor.get(path)
            assert answer.headers["Cache-Control"] in {"private, no-cache", "no-store"}, path
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"], path
            assert answer.headers["X-Content-Type-Options"] == "nosniff", path
            assert (await visitor.client.head(path)).status_code == answer.status_code, path


async def test_a_file_is_kept_for_ever_under_the_address_of_its_own_content_alone() -> None:
    async with visiting() as visitor:
        address = re.search(r"/static/site\.css\?v=\w+", (await visitor.get("/")).text)
        assert address
        assert "immutable" in (await visitor.get(address[0])).headers["Cache-Control"]
        for other in ("/static/site.css", "/static/site.css?v=of-the-next-release"):
            assert (await visitor.get(other)).headers["Cache-Control"] == "no-cache"
        for none in ("/static/..%2flook.py", "/static/%2e%2e/look.py", "/static/none.js", "/static"):
            assert (await visitor.get(none)).status_code == 404


async def test_no_request_waits_while_a_template_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*given: Any, **named: Any) -> Any:
        raise AssertionError

    async with visiting() as visitor:
        monkeypatch.setattr(Environment, "compile", late)
        await visitor.sign_in(ADMIN_KEY)
        assert {(await visitor.get(path)).status_code for path in PAGES} == {200}


async def test_what_breaks_in_a_page_is_a_page() -> None:
    async with visiting() as visitor:
        await visitor.sign_in()
        visitor.service.error = RuntimeError("secret")
        answer = await visitor.send(TRY, ENTRY)
        assert (answer.status_code, "secret" in answer.text) == (500, False)
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


async def test_an_unknown_page_is_a_page_whatever_is_said_of_who_asks() -> None:
    async with visiting(identity_header=IDENTITY) as visitor:
        answer = await visitor.get("/nowhere", **{"X-Api-Key": "one", "api-key": "another"})
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize("path", ["sign-in", "sign-up", "sign-out", "keys", "keys/key_ada/revoke"])
async def test_the_address_of_a_form_that_is_opened_again_leads_back_to_it(path: str) -> None:
    async with visiting() as visitor:
        answer = await visitor.get(f"/account/{path}")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/account")


@pytest.mark.parametrize(
    "body", [b"", b"a=%zz%4&&b&c=1=2&=&%41=%42&d=x+y%2B", "é=中%E4%B8%AD😀".encode(), b"a=1&a=2&a="]
)
def test_a_form_is_read_as_browsers_write_it(body: bytes) -> None:
    assert _fields(body).multi_items() == parse_qsl(body.decode(), keep_blank_values=True)


async def test_a_form_that_cannot_be_read_is_refused_by_saying_so() -> None:
    async with visiting() as visitor:
        for body, status, said in (
            (b"query=%ff", 400, "not in UTF-8"),
            (b"\xff", 400, "not in UTF-8"),
            (b"&".join([b"a=1"] * 101), 400, "at most 100"),
            (b"a" * (LARGEST_FORM + 1), 413, f"{LARGEST_FORM:,}"),
        ):
            answer = await visitor.client.post(TRY, content=body)
            assert (answer.status_code, said in answer.text) == (status, True), answer.text


async def test_a_form_is_no_larger_than_any_body() -> None:
    async with visiting(InMemoryAccounts(), http=HttpSettings(max_body_bytes=1_000)) as visitor:
        assert (await visitor.client.post(TRY, content=b"a" * 1_001)).status_code == 413


async def test_live_figures_of_a_session_that_is_over_are_no_page() -> None:
    async with visiting() as visitor:
        assert (await visitor.get("/status")).status_code == 200  # the form for signing in
        assert (await visitor.get("/status?part=live")).status_code == 401
        await visitor.sign_in(ADMIN_KEY)
        part = await visitor.get("/status?part=live")
        assert (part.status_code, "<main" in part.text) == (200, False)
