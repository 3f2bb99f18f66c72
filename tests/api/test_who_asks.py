"""Who is let in, by which key, before anything of the body is read; and that a key is told to nobody."""

import json
import logging
from typing import Any, ClassVar

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serve_app.api.routes import build_api
from serve_app.domain.errors import ServiceError
from serve_app.settings import AccountsSettings, HttpSettings, Settings
from tests.api.asgi import converse
from tests.api.conftest import IDENTITY, WITH_ACCOUNTS
from tests.api.in_memory_accounts import ADMIN_KEY, EMAIL, EMBEDDING_KEY, KEY, NARROW_KEY, InMemoryAccounts
from tests.api.word_overlap import MODEL, NANO_DOLLARS_PER_DOCUMENT, WordOverlap

BODY: dict[str, Any] = {"model": MODEL, "query": "red fish", "documents": ["red fish", "blue"]}
BEARER = {"authorization": f"Bearer {KEY}"}
DOCUMENTS = 2


def rerank(client: httpx.AsyncClient, headers: Any, **fields: Any) -> Any:
    return client.post("/v1/rerank", json=BODY | fields, headers=headers)


async def test_a_request_without_a_key_is_refused_before_its_body_is_read(accounts: InMemoryAccounts) -> None:
    service = WordOverlap()
    conversation = converse(build_api(service, WITH_ACCOUNTS, accounts), None)  # which never comes whole
    await conversation.task
    assert conversation.status == 401
    assert (b"www-authenticate", b"Bearer") in conversation.sent[0]["headers"]
    assert json.loads(conversation.sent[1]["body"])["error"]["code"] == "missing_api_key"
    assert service.events == []


@pytest.mark.parametrize(
    "headers",
    [
        BEARER,
        {"authorization": f"bEaReR   {KEY} "},
        {"authorization": KEY},  # LlamaIndex's TextEmbeddingInference
        {"x-api-key": KEY},
        {"api-key": f" {KEY}"},
        {**BEARER, "x-api-key": KEY, "api-key": KEY},
        {"authorization": "Bearer ", "x-api-key": KEY},
    ],
)
async def test_a_key_is_taken_in_all_the_ways_that_clients_send_it(
    shop: httpx.AsyncClient, accounts: InMemoryAccounts, headers: dict[str, str]
) -> None:
    assert (await rerank(shop, headers)).status_code == 200
    assert accounts.asked[0].key == KEY


async def test_two_keys_are_refused_naming_where_they_are(shop: httpx.AsyncClient) -> None:
    refused = await rerank(shop, {**BEARER, "x-api-key": ADMIN_KEY})
    assert refused.status_code == 401
    assert refused.json()["detail"] == "Authorization and X-Api-Key have different keys; send one"


async def test_another_scheme_is_refused_by_saying_so(shop: httpx.AsyncClient) -> None:
    refused = await rerank(shop, {"authorization": f"Basic {KEY}"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
    assert 'Authorization must be "Bearer <key>"' in refused.json()["detail"]
    assert KEY not in refused.text


# With a mark that no message has: a word such as "document" is in some by chance.
junk = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_categories=("Cc",)), min_size=8).map(
    "§".__add__
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk, st.sampled_from(["", "Bearer ", "Basic ", "bearer  "]), st.sampled_from(["authorization", "x-api-key"]))
async def test_whatever_is_no_key_is_refused_and_appears_nowhere(
    caplog: pytest.LogCaptureFixture, secret: str, scheme: str, header: str
) -> None:
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    transport = httpx.ASGITransport(build_api(WordOverlap(), WITH_ACCOUNTS, InMemoryAccounts()))
    async with httpx.AsyncClient(transport=transport, base_url="http://rayrank") as client:
        given_headers = {header.encode(): f"{scheme}{secret}".encode("latin-1")}
        refused = [
            await client.post("/v1/rerank", json=BODY, headers=given_headers),
            await client.get("/v1/models", headers=given_headers),
            await client.post("/v1/keys", json={}, headers=given_headers),
        ]
    assert [each.status_code for each in refused] == [401] * 3
    told = "".join(each.text + str(each.headers) for each in refused)
    told += "".join(str(record.__dict__) for record in caplog.records if record.name.startswith("rayrank"))
    assert secret not in told


async def test_a_key_is_in_no_log_line_whatever_breaks(
    shop: httpx.AsyncClient, service: WordOverlap, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await rerank(shop, BEARER)
    service.error = RuntimeError("broken")
    assert (await rerank(shop, BEARER)).status_code == 500
    lines = [record for record in caplog.records if record.name.startswith("rayrank")]
    assert [line.__dict__["tenant"] for line in lines if line.name == "rayrank.requests"] == ["acct_ada"] * 2
    assert KEY not in caplog.text + "".join(str(line.__dict__) for line in lines)


@pytest.mark.parametrize("path", ["/v1/models", f"/v1/models/{MODEL}"])
async def test_models_are_told_to_anyone_but_not_to_a_wrong_key(shop: httpx.AsyncClient, path: str) -> None:
    assert (await shop.get(path)).status_code == 200
    assert (await shop.get(path, headers=BEARER)).status_code == 200
    assert (await shop.head(path, headers={"authorization": "Bearer rr_wrong"})).status_code == 401
    assert (await shop.get(path, headers={"authorization": "Bearer rr_wrong"})).status_code == 401


@pytest.mark.parametrize("path", ["/health", "/ready", "/info", "/v1/openapi.json", "/docs"])
async def test_nobody_is_asked_for_a_key_where_none_is_needed(
    shop: httpx.AsyncClient, accounts: InMemoryAccounts, path: str
) -> None:
    assert (await shop.get(path, headers={"authorization": "Bearer rr_wrong"})).status_code == 200
    assert accounts.events == []


async def test_a_key_is_asked_for_its_scope_and_its_models(
    shop: httpx.AsyncClient, accounts: InMemoryAccounts, service: WordOverlap
) -> None:
    refused = await rerank(shop, {"authorization": f"Bearer {EMBEDDING_KEY}"})
    assert (refused.status_code, refused.json()["error"]["type"]) == (403, "permission_error")
    assert "not for rerank" in refused.json()["detail"]
    for model in (MODEL, "overlap", None):  # the default one has names, too
        refused = await rerank(shop, {"authorization": f"Bearer {NARROW_KEY}"}, model=model)
        assert (refused.status_code, accounts.events[-2]) == (403, f"require {MODEL} or overlap")
    assert service.requests == []


async def test_a_model_that_is_not_served_is_not_found_whatever_the_key_is_for(shop: httpx.AsyncClient) -> None:
    assert (await rerank(shop, {"authorization": f"Bearer {NARROW_KEY}"}, model="no/such")).status_code == 404


async def test_the_steps_are_in_order(shop: httpx.AsyncClient, service: WordOverlap) -> None:
    assert (await rerank(shop, BEARER | {"idempotency-key": "a"})).status_code == 200
    assert service.events == [
        "visit",
        "require rerank",
        f"require {MODEL} or overlap",
        "claim",
        "admitted",
        "answered",
        "keep",
        "capture",
        "captured",
        "left",
        "gone",
    ]


async def test_the_visitor_pays(shop: httpx.AsyncClient, service: WordOverlap, accounts: InMemoryAccounts) -> None:
    before = accounts.accounts["acct_ada"].balance
    await rerank(shop, BEARER)
    assert before - accounts.accounts["acct_ada"].balance == DOCUMENTS * NANO_DOLLARS_PER_DOCUMENT
    assert [(terms.caller.tenant, terms.free) for terms in service.terms] == [("acct_ada", False)]


async def test_a_demo_is_free_and_its_tenant_the_address(
    shop: httpx.AsyncClient, service: WordOverlap, accounts: InMemoryAccounts
) -> None:
    assert (await rerank(shop, {"x-demo": "true"})).status_code == 200
    assert [(terms.caller.tenant, terms.free) for terms in service.terms] == [("127.0.0.1", True)]
    assert (accounts.asked[0].key, accounts.asked[0].demo) == (None, True)


async def test_limits_are_told_with_answers_and_errors(shop: httpx.AsyncClient, service: WordOverlap) -> None:
    answers = [await rerank(shop, BEARER), await rerank(shop, BEARER, query=""), await shop.get("/v1/models")]
    service.error = RuntimeError("broken")
    answers.append(await rerank(shop, BEARER))
    assert [each.status_code for each in answers] == [200, 400, 200, 500]
    assert [each.headers["x-ratelimit-remaining-requests"] for each in answers] == ["9"] * 4
    assert "x-ratelimit-limit-requests" not in (await shop.get("/health")).headers


class TestAProxyThatKnowsWhoHasSignedIn:
    WHO: ClassVar[dict[str, str]] = {IDENTITY: EMAIL}

    async def test_its_word_counts_where_no_key_is_sent(
        self, shop: httpx.AsyncClient, accounts: InMemoryAccounts
    ) -> None:
        assert (await shop.get("/account", headers=self.WHO)).json()["id"] == "acct_ada"
        assert (await rerank(shop, self.WHO)).status_code == 200
        await rerank(shop, self.WHO | {"authorization": f"Bearer {ADMIN_KEY}"})
        assert [(each.key, each.email) for each in accounts.asked][1:] == [(None, EMAIL), (ADMIN_KEY, None)]

    @pytest.mark.parametrize(("site", "status"), [("same-origin", 200), ("none", 200), ("cross-site", 403), ("x", 403)])
    async def test_no_other_web_site_asks_in_their_name(
        self, shop: httpx.AsyncClient, accounts: InMemoryAccounts, site: str, status: int
    ) -> None:
        assert (await rerank(shop, self.WHO | {"sec-fetch-site": site})).status_code == status
        assert (await rerank(shop, BEARER | {"sec-fetch-site": site})).status_code == 200
        assert (await shop.get("/account", headers=self.WHO | {"sec-fetch-site": site})).status_code == 200

    @pytest.mark.parametrize(
        ("origin", "status"),
        [("http://rayrank", 200), ("https://RAYRANK", 200), ("http://evil", 403), ("null", 403), ("http://[", 403)],
    )
    async def test_a_browser_without_tls_tells_the_other_site_by_its_origin(
        self, shop: httpx.AsyncClient, origin: str, status: int
    ) -> None:
        assert (await rerank(shop, self.WHO | {"origin": origin})).status_code == status
        assert (await rerank(shop, {"x-demo": "true", "origin": origin})).status_code == status
        assert (await rerank(shop, BEARER | {"origin": origin})).status_code == 200

    async def test_without_the_setting_it_is_any_header(self, accounts: InMemoryAccounts) -> None:
        bare = Settings(accounts=AccountsSettings())
        conversation = converse(build_api(WordOverlap(), bare, accounts), b"{}", headers=self.WHO)
        await conversation.task
        assert conversation.status == 401


async def test_without_accounts_any_or_no_key_will_do(client: httpx.AsyncClient, service: WordOverlap) -> None:
    for headers in ({}, BEARER, {"authorization": "Basic x y"}, {**BEARER, "x-api-key": "other"}, {"x-demo": "true"}):
        response = await rerank(client, headers)
        assert response.status_code == 200
        assert "x-ratelimit-limit-requests" not in response.headers
    assert {(terms.caller.tenant, terms.free) for terms in service.terms} == {("127.0.0.1", False)}


async def test_web_pages_may_read_the_limits(accounts: InMemoryAccounts) -> None:
    open_ = WITH_ACCOUNTS.model_copy(update={"http": HttpSettings(cors_origins=("*",))})
    transport = httpx.ASGITransport(build_api(WordOverlap(), open_, accounts))
    async with httpx.AsyncClient(transport=transport, base_url="http://rayrank") as client:
        refused = await rerank(client, {"origin": "https://example.org"})
    exposed = refused.headers["access-control-expose-headers"]
    for name in ("x-ratelimit-remaining-tokens", "Idempotent-Replayed", "WWW-Authenticate", "Retry-After"):
        assert name in exposed


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/v1/rerank", BODY, lambda body: body["error"]["message"]),
        ("/v2/rerank", BODY, lambda body: body["message"]),
        ("/rerank", {"query": "red", "texts": ["red"]}, lambda body: body["error"]),
        ("/score", {"text_1": "red", "text_2": "red"}, lambda body: body["error"]["message"]),
        ("/v1/ranking", {"query": {"text": "red"}, "passages": [{"text": "red"}]}, lambda body: body["detail"]),
        ("/v1/embeddings", {"input": "red"}, lambda body: body["error"]["message"]),
    ],
)
async def test_each_dialect_tells_of_keys_and_credit_in_its_form(
    shop: httpx.AsyncClient, service: WordOverlap, path: str, body: dict[str, Any], said: Any
) -> None:
    missing = await shop.post(path, json=body)
    wrong = await shop.post(path, json=body, headers={"authorization": "Bearer rr_wrong"})
    assert [missing.status_code, wrong.status_code] == [401, 401]
    assert [each.headers["www-authenticate"] for each in (missing, wrong)] == ["Bearer"] * 2
    assert "send a key" in said(missing.json())
    for code, status in (("insufficient_credit", 402), ("forbidden", 403), ("rate_limited", 429)):
        service.error = ServiceError(code, "told", retry_after_s=3)  # type: ignore[arg-type]
        refused = await shop.post(path, json=body, headers=BEARER)
        assert (refused.status_code, said(refused.json()), refused.headers["retry-after"]) == (status, "told", "3")
