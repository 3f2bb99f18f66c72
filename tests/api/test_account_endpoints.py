"""What an account's owner and an administrator can ask for, and what is refused of it."""

import csv
import io
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serve_app.api.dialects.account.usage import UsageRow, as_csv
from serve_app.domain.account import Cap, KeyWish, Limits, UsageBucket, UsageWish
from serve_app.domain.price import format_usd
from tests.api.conftest import IDENTITY
from tests.api.in_memory_accounts import ADMIN_KEY, DOLLAR, EMAIL, EMBEDDING_KEY, KEY, SIGNATURE, InMemoryAccounts
from tests.api.word_overlap import MODEL

ADA = {"authorization": f"Bearer {KEY}"}
ADMIN = {"authorization": f"Bearer {ADMIN_KEY}"}
DAY_S = 86_400
ACTIONS = [
    ("GET", "/account"),
    ("GET", "/v1/account"),
    ("GET", "/v1/usage"),
    ("GET", "/v1/usage.csv"),
    ("GET", "/v1/keys"),
    ("POST", "/v1/keys"),
    ("DELETE", "/v1/keys/key_ada"),
    ("POST", "/v1/credits"),
    ("POST", "/v1/accounts"),
    ("POST", "/v1/webhooks/stripe"),
]


@pytest.mark.parametrize(("method", "path"), ACTIONS)
async def test_without_accounts_there_is_none_of_it(client: httpx.AsyncClient, method: str, path: str) -> None:
    refused = await client.request(method, path, headers=ADA)
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "not_found")
    assert refused.json()["detail"].startswith("accounts are off here: ")


@pytest.mark.parametrize(("method", "path"), ACTIONS[:8])
async def test_a_key_and_its_scope_are_asked_for(shop: httpx.AsyncClient, method: str, path: str) -> None:
    assert (await shop.request(method, path)).status_code == 401
    refused = await shop.request(method, path, headers={"authorization": f"Bearer {EMBEDDING_KEY}"}, json={"x": 1})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")


async def test_an_admins_powers_are_not_an_owners(shop: httpx.AsyncClient, accounts: InMemoryAccounts) -> None:
    body = {"account": EMAIL, "usd": "1000", "reference": "mine"}
    assert (await shop.post("/v1/credits", headers=ADA, json=body)).status_code == 403
    assert accounts.accounts["acct_ada"].balance == DOLLAR


async def test_a_method_that_a_path_has_not_is_told_with_all_that_it_has(shop: httpx.AsyncClient) -> None:
    refused = await shop.delete("/v1/keys")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, POST, HEAD")


@pytest.mark.parametrize("path", ["/account", "/v1/account"])
async def test_an_account_is_told_in_exact_amounts(shop: httpx.AsyncClient, path: str) -> None:
    await shop.post("/v1/rerank", headers=ADA, json={"query": "red", "documents": ["red", "blue"]})
    response = await shop.get(path, headers=ADA)
    assert response.json() == {
        "id": "acct_ada",
        "email": EMAIL,
        "balance_usd": "0.999984",
        "held_usd": "0",
        "granted_usd": "1",
        "spent_usd": "0.000016",
        "created": 1_795_500_000,
    }
    assert response.headers["cache-control"] == "no-store"


class TestUsage:
    MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)

    async def wish(self, shop: httpx.AsyncClient, accounts: InMemoryAccounts, query: str) -> UsageWish:
        response = await shop.get(f"/v1/usage?{query}", headers=ADA)
        assert response.status_code == 200, response.text
        wish: UsageWish = accounts.wishes[-1]
        return wish

    @pytest.mark.parametrize(
        ("written", "hours"),
        [
            ("2026-03-01", 0),
            ("2026-03-01T00:00:00", 0),
            ("2026-03-01T00:00:00Z", 0),
            ("2026-03-01T01:00:00%2B02:00", -1),
            ("2026-03-01T01:00:00+02:00", -1),
            ("2026-03-01%2006:30", 6.5),
            ("1772323200", 0),
            ("1772326800.0", 1),
        ],
    )
    async def test_a_moment_is_read_in_all_its_spellings(
        self, shop: httpx.AsyncClient, accounts: InMemoryAccounts, written: str, hours: float
    ) -> None:
        wish = await self.wish(shop, accounts, f"from={written}&to=2026-03-09&bucket=hour")
        assert wish.since == (self.MIDNIGHT + timedelta(hours=hours)).timestamp()
        assert (wish.until, wish.bucket) == (datetime(2026, 3, 9, tzinfo=UTC).timestamp(), "hour")

    async def test_the_last_thirty_days_are_told_where_nothing_else_is_asked_for(
        self, shop: httpx.AsyncClient, accounts: InMemoryAccounts
    ) -> None:
        wish = await self.wish(shop, accounts, "from=&model=")
        now = time.time()
        assert now - 5 < wish.until < now + 5
        assert 30 * DAY_S - 5 <= now - wish.since < 31 * DAY_S
        assert (wish.since % DAY_S, wish.bucket, wish.model) == (0, "day", None)
        assert (await self.wish(shop, accounts, "bucket=hour")).since % 3_600 == 0

    async def test_an_alias_is_its_models_usage_and_a_model_of_old_has_its_own(
        self, shop: httpx.AsyncClient, accounts: InMemoryAccounts
    ) -> None:
        assert (await self.wish(shop, accounts, "model=overlap")).model == MODEL
        assert (await self.wish(shop, accounts, "model=of/old")).model == "of/old"

    async def test_rows_and_their_sum(self, shop: httpx.AsyncClient, accounts: InMemoryAccounts) -> None:
        start = self.MIDNIGHT.timestamp()
        accounts.used = [UsageBucket(start, "key_ada", MODEL, 2, 30, 400, 5), UsageBucket(start, "", MODEL, 1, 1, 1, 1)]
        answer = (await shop.get("/v1/usage?from=2026-03-01&to=2026-03-02", headers=ADA)).json()
        row = {"start": "2026-03-01T00:00:00Z", "key": "key_ada", "model": MODEL, "requests": 2, "documents": 30}
        assert answer["data"][0] == row | {"tokens": 400, "cost_usd": "0.000000005"}
        assert answer["total"] == {"requests": 3, "documents": 31, "tokens": 401, "cost_usd": "0.000000006"}
        span = ("list", "day", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z")
        assert tuple(answer[name] for name in ("object", "bucket", "from", "to")) == span

        table = await shop.get("/v1/usage.csv?from=2026-03-01&to=2026-03-02", headers=ADA)
        assert table.headers["content-type"].startswith("text/csv")
        names, first, _ = csv.reader(io.StringIO(table.text))
        assert dict(zip(names, first, strict=True)) == {name: str(value) for name, value in answer["data"][0].items()}

    @pytest.mark.parametrize(
        ("query", "param", "said"),
        [
            (
                "from=2026-03-02&to=2026-03-01",
                "from",
                "from (2026-03-02T00:00:00Z) must be before to (2026-03-01T00:00",
            ),
            ("from=2026-03-01&to=2026-03-01", "from", "must be before"),
            ("from=2026-03-01&to=2027-06-01", "from", "457.0 days apart; at most 400 by day"),
            ("from=2026-03-01&to=2026-05-01&bucket=hour", "from", "at most 31 by hour"),
            ("from=soon", "from", "from must be an ISO 8601 date or date-time, or seconds since 1970; got 'soon'"),
            ("from=20260301", "from", "got '20260301'"),
            ("to=1772323200000", "to", "seconds lie from 1000000000 up to 100000000000"),
            ("to=9999-12-31", "to", "up to 3000"),
            ("from=0001-01-01T00:00:00%2B14:00", "from", "from 1970"),
            ("from=2026-13-01", "from", "got '2026-13-01'"),
            ("bucket=week", "bucket", "bucket must be 'hour' or 'day'; got 'week'"),
            ("model=a%00b", "model", "one line of visible characters"),
            ("form=2026-03-01", "form", "known: from, to, bucket, model"),
            ("since=2026-03-01", "since", "not known"),
            ("from=2026-03-01&from=2026-03-02", "from", "from is given twice"),
        ],
    )
    async def test_a_wrong_query_is_refused_naming_the_parameter(
        self, shop: httpx.AsyncClient, query: str, param: str, said: str
    ) -> None:
        for path in ("/v1/usage", "/v1/usage.csv"):
            refused = await shop.get(f"{path}?{query}", headers=ADA)
            error = refused.json()["error"]
            assert (refused.status_code, error["param"]) == (400, param)
            assert said in error["message"]

    @given(st.text(), st.text())
    @settings(deadline=None)
    def test_no_cell_of_a_table_is_a_formula(self, key: str, model: str) -> None:
        row = UsageRow(start="s", key=key, model=model, requests=1, documents=1, tokens=1, cost_usd="1")
        _, cells = csv.reader(io.StringIO(as_csv([row]).decode("utf-8", "surrogatepass"), newline=""))
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)
        assert [cell.removeprefix("'") for cell in cells[1:3]] == [key.removeprefix("'"), model.removeprefix("'")]


class TestKeys:
    async def test_a_key_is_made_and_its_secret_is_told_this_once(
        self, shop: httpx.AsyncClient, accounts: InMemoryAccounts
    ) -> None:
        body = {
            "name": "search",
            "scopes": ["rerank", "account", "rerank"],
            "models": ["overlap"],
            "cap_usd": 0.1,
            "cap_period": "day",
            "expires_in_days": 7,
            "requests_per_minute": 60,
            "tokens_per_minute": "1000",
            "concurrent_requests": 2.0,
        }
        made = await shop.post("/v1/keys", headers=ADA, json=body)
        assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
        (wish,) = accounts.wishes
        assert abs(wish.expires - time.time() - 7 * DAY_S) < 5
        limits = Limits(60, 1000, 2)
        expected = KeyWish(
            "search", ("rerank", "account"), ("overlap",), Cap(DOLLAR // 10, "day"), limits, wish.expires
        )
        assert wish == expected
        told = made.json()
        assert (told["cap_usd"], told["cap_period"], told["expires"]) == ("0.1", "day", int(wish.expires))
        assert "this once" in told["notice"]
        listed = await shop.get("/v1/keys", headers={"authorization": f"Bearer {told['secret']}"})
        assert told["secret"] not in listed.text
        assert "secret" not in listed.json()["data"][0]
        assert [each["id"] for each in listed.json()["data"]] == ["key_ada", "key_embeds", "key_narrow", told["id"]]

    async def test_what_is_left_out_or_null_is_the_default(
        self, shop: httpx.AsyncClient, accounts: InMemoryAccounts
    ) -> None:
        for body in ({}, {"name": None, "cap_usd": None, "models": [], "expires": None, "unknown": None}):
            assert (await shop.post("/v1/keys", headers=ADA, json=body)).status_code == 201
        assert accounts.wishes == [KeyWish()] * 2

    async def test_a_key_is_revoked(self, shop: httpx.AsyncClient) -> None:
        revoked = await shop.delete("/v1/keys/key_embeds", headers=ADA)
        assert revoked.status_code == 200
        assert revoked.json()["revoked"] >= time.time() - 5
        assert (await shop.get("/v1/models", headers={"authorization": f"Bearer {EMBEDDING_KEY}"})).status_code == 401

    @pytest.mark.parametrize("key", ["key_admin", "none", "a%00b", "x" * 65, "%F0%9F%98%80"])
    async def test_a_key_that_the_account_has_not_is_not_found(self, shop: httpx.AsyncClient, key: str) -> None:
        refused = await shop.delete(f"/v1/keys/{key}", headers=ADA)
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "not_found")

    @pytest.mark.parametrize(
        ("fields", "param", "said"),
        [
            ({"scopes": []}, "scopes", "at least 1"),
            ({"scopes": ["rerank", "all"]}, "scopes[1]", "'rerank', 'embeddings', 'account' or 'admin'; got 'all'"),
            ({"scopes": "rerank"}, "scopes", "scopes must be an array"),
            ({"models": ["overlap", "no/such"]}, "models[1]", f"served: {MODEL}"),
            ({"cap_usd": 0, "cap_period": "day"}, "cap_usd", "cap_usd must be above 0 and at most 1,000,000"),
            ({"cap_usd": -5, "cap_period": "day"}, "cap_usd", "got -5"),
            ({"cap_usd": "5"}, "cap_period", "cap_period is missing; cap_usd needs it"),
            ({"cap_period": "day"}, "cap_usd", "cap_usd is missing"),
            ({"cap_usd": 5, "cap_period": "year"}, "cap_period", "'day' or 'month'; got 'year'"),
            (
                {"expires": "2020-01-01"},
                "expires",
                "in the future, at most 3,650 days from now; got 2020-01-01T00:00:00Z",
            ),
            ({"expires": "2999-01-01"}, "expires", "at most 3,650 days"),
            ({"expires": True}, "expires", "ISO 8601"),
            ({"expires_in_days": 0}, "expires_in_days", "got 0"),
            ({"expires_in_days": 9_999}, "expires_in_days", "3650"),
            ({"expires": "2030-01-01", "expires_in_days": 3}, "expires_in_days", "give one"),
            ({"requests_per_minute": 0}, "requests_per_minute", "got 0"),
            ({"tokens_per_minute": -1}, "tokens_per_minute", "got -1"),
            ({"concurrent_requests": 2**40}, "concurrent_requests", "2147483647"),
            ({"name": "x" * 101}, "name", "100 characters"),
            ({"name": "a\x00b"}, "name", "one line of visible characters"),
            ({"cap": 5}, "cap", "the field 'cap' is not known here; known: name, scopes"),
        ],
    )
    async def test_a_wrong_wish_is_refused_naming_the_field(
        self, shop: httpx.AsyncClient, accounts: InMemoryAccounts, fields: dict[str, Any], param: str, said: str
    ) -> None:
        refused = await shop.post("/v1/keys", headers=ADA, json=fields)
        error = refused.json()["error"]
        assert (refused.status_code, error["param"]) == (400, param), error
        assert said in error["message"]
        assert accounts.wishes == []


class TestCredit:
    BODY: ClassVar[dict[str, Any]] = {"account": EMAIL, "usd": "25", "reference": "invoice 1", "note": "thanks"}

    async def test_it_is_granted_once_for_a_reference(self, shop: httpx.AsyncClient) -> None:
        first, again = [await shop.post("/v1/credits", headers=ADMIN, json=self.BODY) for _ in range(2)]
        told = {"account": "acct_ada", "usd": "25", "reference": "invoice 1", "balance_usd": "26", "again": False}
        assert (first.status_code, first.json()) == (200, told)
        assert again.json() == told | {"again": True}
        assert (await shop.get("/account", headers=ADA)).json()["granted_usd"] == "26"

    @given(st.integers(1, 10**15), st.booleans())
    @settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
    async def test_an_amount_is_taken_to_its_last_digit(
        self, shop: httpx.AsyncClient, nano_dollars: int, as_number: bool
    ) -> None:
        written = format_usd(nano_dollars)
        body = json.dumps(self.BODY | {"usd": "USD", "reference": f"{nano_dollars} {as_number}"})
        body = body.replace('"USD"', written if as_number else f'"{written}"')
        json_headers = ADMIN | {"content-type": "application/json"}
        assert (await shop.post("/v1/credits", headers=json_headers, content=body)).json()["usd"] == written

    @pytest.mark.parametrize(
        "written",
        [
            "0",
            "-1",
            "1000000.01",
            "1e9",
            "1e400",
            "-0.0",
            "0.0000000001",
            "999999.99999999999",
            "true",
            "[]",
            "1" * 4_000,
            "NaN",
            *('"0"', '"-3"', '"nan"', '"Infinity"', '""', '"12 dollars"', '"1e-99999999"', f'"0.1{"0" * 40}1"'),
        ],
    )
    async def test_what_is_no_amount_is_refused(self, shop: httpx.AsyncClient, written: str) -> None:
        body = json.dumps(self.BODY | {"usd": "USD"}).replace('"USD"', written)
        refused = await shop.post("/v1/credits", headers=ADMIN | {"content-type": "application/json"}, content=body)
        error = refused.json()["error"]
        assert (refused.status_code, error["param"]) == (400, "usd"), error
        assert error["message"].startswith("usd must ")
        assert len(error["message"]) < 300

    @pytest.mark.parametrize(
        ("fields", "param"),
        [
            ({"reference": None}, "reference"),
            ({"reference": " "}, "reference"),
            ({"reference": "x" * 256}, "reference"),
            ({"reference": "a\nb"}, "reference"),
            ({"note": "\x00"}, "note"),
            ({"account": ""}, "account"),
            ({"account": 7}, "account"),
            ({"usd": None}, "usd"),
            ({"amount": 3}, "amount"),
        ],
    )
    async def test_a_wrong_field_is_named(self, shop: httpx.AsyncClient, fields: dict[str, Any], param: str) -> None:
        refused = await shop.post("/v1/credits", headers=ADMIN, json=self.BODY | fields)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, param), refused.text

    async def test_an_account_that_there_is_not_is_not_found(self, shop: httpx.AsyncClient) -> None:
        refused = await shop.post("/v1/credits", headers=ADMIN, json=self.BODY | {"account": "nobody"})
        assert refused.status_code == 404


class TestSignUp:
    async def test_it_gives_an_account_and_its_first_key(
        self, shop: httpx.AsyncClient, accounts: InMemoryAccounts
    ) -> None:
        body = {"email": "grace@example.org", "invite": "welcome"}
        made = await shop.post("/v1/accounts", json=body, headers={"authorization": "Bearer rr_wrong"})
        assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
        assert (accounts.wishes, accounts.asked) == ([("grace@example.org", "welcome")], [])
        key = {"authorization": f"Bearer {made.json()['key']['secret']}"}
        assert (await shop.get("/account", headers=key)).json() == made.json()["account"]

    @pytest.mark.parametrize(
        "email", ["", "grace", "@x", "x@", "a@b@c", "a b@c", "a@b\n", f"{'x' * 250}@b.cd", None, 3, ["a@b"]]
    )
    async def test_what_is_no_email_is_refused(self, shop: httpx.AsyncClient, email: Any) -> None:
        refused = await shop.post("/v1/accounts", json={"email": email})
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "email")


class TestStripe:
    EVENT = b'{"type": "paid",\n "amount":   2500}'
    HEADERS: ClassVar[dict[str, str]] = {
        "content-type": "application/json; charset=utf-8",
        "stripe-signature": SIGNATURE,
    }

    async def post(self, shop: httpx.AsyncClient, payload: bytes, **headers: str) -> httpx.Response:
        return await shop.post("/v1/webhooks/stripe", content=payload, headers=self.HEADERS | headers)

    async def test_an_event_is_handed_on_byte_by_byte(
        self, shop: httpx.AsyncClient, accounts: InMemoryAccounts
    ) -> None:
        answer = await self.post(shop, self.EVENT)
        assert (answer.status_code, answer.json()) == (200, {"received": True, "granted_usd": "25"})
        assert accounts.wishes == [self.EVENT]
        assert (await self.post(shop, b"{}")).json() == {"received": True, "granted_usd": None}

    async def test_a_signature_is_needed(self, shop: httpx.AsyncClient) -> None:
        wrong = await self.post(shop, self.EVENT, **{"stripe-signature": "forged"})
        missing = await shop.post("/v1/webhooks/stripe", json={})
        for refused in (wrong, missing):
            assert (refused.status_code, refused.json()["error"]["param"]) == (400, "Stripe-Signature")

    async def test_a_large_event_is_refused(self, shop: httpx.AsyncClient) -> None:
        assert (await self.post(shop, b" " * (2**18 + 1))).status_code == 413
        assert (await self.post(shop, b" " * 2**18)).status_code == 200


async def test_who_has_signed_in_at_a_proxy_makes_keys_unless_another_site_asks(shop: httpx.AsyncClient) -> None:
    who = {IDENTITY: EMAIL}
    assert (await shop.post("/v1/keys", headers=who, json={})).status_code == 201
    assert (await shop.post("/v1/keys", headers=who | {"sec-fetch-site": "same-site"}, json={})).status_code == 403
    assert (await shop.delete("/v1/keys/key_ada", headers=who | {"sec-fetch-site": "cross-site"})).status_code == 403


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"name": "\xff"}', b"[" * 5_000, b'"x"'])
async def test_what_is_no_object_is_refused(shop: httpx.AsyncClient, body: bytes) -> None:
    refused = await shop.post("/v1/keys", headers=ADA | {"content-type": "application/json"}, content=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_request")
