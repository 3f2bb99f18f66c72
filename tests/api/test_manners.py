import gzip
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import zstandard

from serve_app.api.routes import build_api
from serve_app.settings import HttpSettings, Settings
from tests.api.conftest import SETTINGS
from tests.api.word_overlap import MODEL, WordOverlap

BODY: dict[str, Any] = {"model": MODEL, "query": "red", "documents": ["red fish", "blue"]}
SUMMED = zstandard.ZstdCompressor(write_checksum=True).compress
PACK = {"gzip": gzip.compress, "zstd": zstandard.compress}


async def post_packed(client: httpx.AsyncClient, encoding: str, body: bytes) -> httpx.Response:
    headers = {"content-encoding": encoding, "content-type": "application/json"}
    return await client.post("/v1/rerank", content=body, headers=headers)


@pytest.mark.parametrize("encoding", PACK)
async def test_a_packed_body_is_unpacked(client: httpx.AsyncClient, encoding: str) -> None:
    response = await post_packed(client, encoding, PACK[encoding](json.dumps(BODY).encode()))
    assert response.status_code == 200, response.text
    assert response.json()["results"][0]["index"] == 0


@pytest.mark.parametrize("encoding", PACK)
async def test_packed_parts_may_follow_each_other(client: httpx.AsyncClient, encoding: str) -> None:
    whole, pack = json.dumps(BODY).encode(), PACK[encoding]
    assert (await post_packed(client, encoding, pack(whole[:9]) + pack(whole[9:]))).status_code == 200


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("zstd", SUMMED)])
@pytest.mark.parametrize("missing", [1, 2, 3, 4])
async def test_a_body_without_its_last_bytes_is_refused_though_its_text_is_whole(
    client: httpx.AsyncClient, encoding: str, pack: Callable[[bytes], bytes], missing: int
) -> None:
    response = await post_packed(client, encoding, pack(json.dumps(BODY).encode())[:-missing])
    assert response.status_code == 400
    assert f"the body is not valid {encoding}: " in response.json()["error"]["message"]


async def test_no_python_is_told_of_a_body_that_is_not_packed(client: httpx.AsyncClient) -> None:
    message = (await post_packed(client, "gzip", b"{}")).json()["error"]["message"]
    assert message == "the body is not valid gzip: it does not begin as it must"


@pytest.mark.parametrize("encoding", PACK)
async def test_a_body_that_grows_over_the_limit_is_refused_before_it_is_all_there(
    client: httpx.AsyncClient, encoding: str
) -> None:
    bomb = PACK[encoding](b" " * 200_000_000)
    assert len(bomb) < SETTINGS.http.max_body_bytes * 10
    response = await post_packed(client, encoding, bomb[: SETTINGS.http.max_body_bytes])
    assert response.status_code == 413
    assert "longer when unpacked" in response.json()["error"]["message"]


@pytest.mark.parametrize("encoding", PACK)
@pytest.mark.parametrize("spoil", [lambda body: body[:-6], lambda body: b"x" + body, lambda _: b"not packed"])
async def test_a_body_that_is_not_what_it_says_is_refused(client: httpx.AsyncClient, encoding: str, spoil: Any) -> None:
    response = await post_packed(client, encoding, spoil(PACK[encoding](json.dumps(BODY).encode())))
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid_request"


async def test_an_encoding_that_is_not_known_is_refused_with_those_that_are(client: httpx.AsyncClient) -> None:
    response = await post_packed(client, "br", b"")
    assert response.status_code == 415
    assert "gzip, x-gzip, zstd" in response.json()["error"]["message"]


async def test_a_large_answer_is_packed_when_asked(client: httpx.AsyncClient) -> None:
    ask = BODY | {"documents": ["red fish " * 2_000], "return_documents": True}
    packed = await client.post("/v1/rerank", json=ask, headers={"accept-encoding": "gzip"})
    plain = await client.post("/v1/rerank", json=ask, headers={"accept-encoding": "identity"})
    small = await client.post("/v1/rerank", json=BODY, headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json()["results"] == plain.json()["results"]
    assert "content-encoding" not in plain.headers
    assert "content-encoding" not in small.headers


async def test_models_that_have_not_changed_are_not_sent_again(client: httpx.AsyncClient, service: WordOverlap) -> None:
    for path in ("/v1/models", f"/v1/models/{MODEL}"):
        tag = (await client.get(path)).headers["etag"]
        unchanged = await client.get(path, headers={"if-none-match": f'"other", {tag}'})
        assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", tag)
        service.status = "loading"
        assert (await client.get(path, headers={"if-none-match": tag})).status_code == 200
        service.status = "ready"


async def test_head_is_get_without_the_body(client: httpx.AsyncClient) -> None:
    head, get = await client.head("/v1/models"), await client.get("/v1/models")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.content))


@pytest.mark.parametrize(("path", "allowed"), [("/v1/rerank", "POST, OPTIONS"), ("/v1/models", "GET, HEAD, OPTIONS")])
async def test_options_says_what_is_allowed(client: httpx.AsyncClient, path: str, allowed: str) -> None:
    response = await client.options(path)
    assert (response.status_code, response.headers["allow"]) == (204, allowed)


async def test_where_the_time_went_is_told(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/rerank", json=BODY)
    assert response.headers["server-timing"] == "tokenize;dur=1.0, queue;dur=2.0, score;dur=30.0, merge;dur=0.4"


async def test_web_pages_may_ask_only_where_the_settings_say_so(client: httpx.AsyncClient) -> None:
    origin = {"origin": "https://example.org"}
    assert "access-control-allow-origin" not in (await client.get("/v1/models", headers=origin)).headers
    settings = Settings(http=HttpSettings(cors_origins=("https://example.org",)))
    transport = httpx.ASGITransport(build_api(WordOverlap(), settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://rayrank") as open_to_pages:
        asked = origin | {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
        allowed = await open_to_pages.options("/v1/rerank", headers=asked)
        assert allowed.headers["access-control-allow-origin"] == "https://example.org"
        refused = await open_to_pages.post("/v1/rerank", json={}, headers=origin)
        assert refused.headers["access-control-allow-origin"] == "https://example.org"
        other = await open_to_pages.get("/v1/models", headers={"origin": "https://example.com"})
        assert "access-control-allow-origin" not in other.headers
