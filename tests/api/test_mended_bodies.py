"""Half a surrogate pair costs one character and a warning; what is no JSON is told where."""

import json
import threading
from typing import Any

import httpx
import pytest

from serve_app.api import mending
from serve_app.api.mending import mended
from serve_app.api.places import places
from serve_app.api.routes import build_api
from serve_app.settings import Settings
from tests.api.word_overlap import WordOverlap

JSON = {"content-type": "application/json"}
HALF = "\ud83d"
WARNING = "has half a surrogate pair, which was read as U+FFFD"


async def posted(client: httpx.AsyncClient, path: str, body: str | bytes) -> httpx.Response:
    return await client.post(path, content=body, headers=JSON)


class TestHalfASurrogatePair:
    @pytest.mark.parametrize(
        ("escaped", "read"),
        [
            (r"a \ud83d b", "a \ufffd b"),
            (r"\uDE00", "\ufffd"),
            (r"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
            (r"\\\ud83d", "\\\ufffd"),
            (r"\ud83d\u0041", "\ufffdA"),
        ],
    )
    async def test_is_read_as_the_replacement_character_and_named(
        self, client: httpx.AsyncClient, service: WordOverlap, escaped: str, read: str
    ) -> None:
        # The last one has a whole pair, and an escaped backslash before what only looks like half of one.
        body = rf'{{"query": "red fish", "documents": ["red", "{escaped}", "\ud83d\ude00 \\ud83d"]}}'
        response = await posted(client, "/v1/rerank", body)
        assert response.status_code == 200, response.text
        answer = response.json()
        assert answer["warnings"] == [f"documents[1] {WARNING}"]
        assert response.headers["x-warning"] == f"documents[1] {WARNING}"
        found = [document.text for document in service.requests[0].documents]
        assert found == ["red", read, "\U0001f600 \\ud83d"]

    @pytest.mark.parametrize(
        ("path", "body", "places"),
        [
            ("/v1/rerank", {"query": f"a{HALF}", "documents": ["b"]}, ["query"]),
            ("/v1/rerank", {"query": "a", "documents": ["b", {"text": f"c{HALF}"}]}, ["documents[1].text"]),
            ("/v1/rerank", {"query": "a", "documents": [{"text": "c", f"k{HALF}": 1}]}, ["documents[0]"]),
            ("/v1/rerank", {"query": "a", "documents": ["b"], "top_k": 1, "user": HALF}, ["user"]),
            ("/v2/rerank", {"query": f"a{HALF}", "documents": ["b", f"c{HALF}"]}, ["query", "documents[1]"]),
            ("/rerank", {"query": "a", "texts": ["b", f"c{HALF}"]}, ["texts[1]"]),
            ("/rerank", {"query": "a", "documents": ["b", f"c{HALF}"]}, ["documents[1]"]),
            (
                "/v1/ranking",
                {"query": {"text": HALF}, "passages": [{"text": HALF}]},
                ["query.text", "passages[0].text"],
            ),
            ("/score", {"text_1": "a", "text_2": ["b", HALF]}, ["text_2[1]"]),
            ("/v1/embeddings", {"input": [HALF]}, ["input[0]"]),
            ("/embed", {"inputs": HALF}, ["inputs"]),
            ("/tokenize", {"inputs": HALF}, ["inputs"]),
        ],
    )
    async def test_is_read_in_every_dialect_and_named_in_a_header(
        self, client: httpx.AsyncClient, path: str, body: dict[str, Any], places: list[str]
    ) -> None:
        response = await posted(client, path, json.dumps(body))
        assert response.status_code == 200, response.text
        told = response.headers["x-warning"].split("; ")
        assert [line for line in told if "half" in line] == [f"{place} {WARNING}" for place in places]

    async def test_cohere_finds_the_warning_where_its_clients_look(self, client: httpx.AsyncClient) -> None:
        body = {"query": "a", "documents": [HALF]}
        answer = (await posted(client, "/v2/rerank", json.dumps(body))).json()
        assert answer["meta"]["warnings"] == [f"documents[0] {WARNING}"]

    async def test_does_not_hide_another_fault(self, client: httpx.AsyncClient) -> None:
        body = {"query": HALF, "documents": ["a", 7]}
        response = await posted(client, "/v1/rerank", json.dumps(body))
        assert (response.status_code, response.json()["error"]["param"]) == (400, "documents[1]")

    async def test_many_are_named_in_few_words(self, client: httpx.AsyncClient) -> None:
        body = {"query": "a", "documents": [{"text": "a", "more": [HALF] * 30, **{f"k{n}": HALF for n in range(20)}}]}
        answer = (await posted(client, "/v1/rerank", json.dumps(body))).json()
        assert len(answer["warnings"]) == 11

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (rf'{{"query": "a{HALF}", "documents": ["b", "c" "d"]}}', "at line 1 column 45, in documents[1]"),
            (rf'{{"query": "a{HALF}", "documents": ["b", "\udzzz"]}}', "in documents[1]"),
        ],
    )
    async def test_does_not_hide_where_a_body_is_no_json(self, client: httpx.AsyncClient, body: str, said: str) -> None:
        response = await posted(client, "/v1/rerank", body.replace(HALF, r"\ud83d"))
        message = response.json()["error"]["message"]
        assert message.endswith(said)
        assert "surrogate" not in message

    async def test_is_named_before_what_else_was_ignored(self, client: httpx.AsyncClient) -> None:
        body = {"query": HALF, "documents": ["a"], **{f"k{number}": 1 for number in range(9)}}
        told = (await posted(client, "/v1/rerank", json.dumps(body))).headers["x-warning"].split("; ")
        assert told[0] == f"query {WARNING}"
        assert told[5:] == ["and more"]

    @pytest.mark.parametrize("size", [10_000, 900_000])
    async def test_is_mended_once_and_for_a_large_body_in_a_thread(
        self, monkeypatch: pytest.MonkeyPatch, size: int
    ) -> None:
        threads = []

        def scanned(body: bytes) -> list[int]:
            threads.append(threading.current_thread() is threading.main_thread())
            return halves(body)

        halves = mending._halves
        monkeypatch.setattr(mending, "_halves", scanned)
        transport = httpx.ASGITransport(build_api(WordOverlap(), Settings()))
        async with httpx.AsyncClient(transport=transport, base_url="http://rayrank") as client:
            body = {"query": "a", "documents": ["b" * size + HALF], "top_k": 1}
            response = await posted(client, "/v1/rerank", json.dumps(body))
        assert response.headers["x-warning"] == f"documents[0] {WARNING}"
        assert threads == [size <= mending.AT_ONCE]


@pytest.mark.parametrize("text", ["\U0001f600 a", "a\\\\ud83d", "\u4e2d" * 5_000, "a" * 9_000 + "\\n" * 5_000, ""])
@pytest.mark.parametrize("half", [r"\ud83d", r"\uDE00"])
async def test_every_half_is_found_whatever_lies_around_it(text: str, half: str) -> None:
    around = json.dumps(text)[1:-1]
    body = f'["{around}{half}{around}{half}"]'
    found = await mended(body.encode())
    assert json.loads(found.body) == [f"{text}\ufffd{text}\ufffd"]
    assert len(found.body) == len(body)


async def test_a_byte_order_mark_is_dropped(client: httpx.AsyncClient) -> None:
    body = b"\xef\xbb\xbf" + json.dumps({"query": "a", "documents": ["a"]}).encode()
    response = await posted(client, "/v1/rerank", body)
    assert response.status_code == 200
    assert "x-warning" not in response.headers


async def test_a_byte_order_mark_does_not_hide_where_a_body_is_no_json(client: httpx.AsyncClient) -> None:
    response = await posted(client, "/v1/rerank", b'\xef\xbb\xbf{"query": "a",\n "documents": ["b", "c" "d"]}')
    message = response.json()["error"]["message"]
    assert message.endswith("at line 2 column 25, in documents[1]")
    first = (await posted(client, "/v1/rerank", b'\xef\xbb\xbf{"query": a}')).json()["error"]["message"]
    assert first.endswith("expected value at line 1 column 14, in query")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"query": tru, "documents": ["\xff"]}', "at line 1 column 14, in query"),
        (b'{"query": "a", "documents": ["b", "c', "EOF while parsing a string at line 1 column 36, in documents[1]"),
        (b'{"query": "a",\n "documents": ["b", "c" "d"]}', "at line 2 column 25, in documents[1]"),
        (b'{"query": "a", "documents": [{"text": tru}]}', "at line 1 column 42, in documents[0].text"),
        (b'{"query": "a\nb", "documents": ["b"]}', "at line 2 column 0, in query"),
        (b'{"query": "a", "documents": ["b"], }', "at line 1 column 36"),
        (b'{"query": "a", "documents": ["b", "\xff"]}', "byte 0xff is no UTF-8 at line 1 column 36, in documents[1]"),
        (b'{"query": "\xed\xa0\xbd", "documents": ["b"]}', "byte 0xed is no UTF-8 at line 1 column 12, in query"),
        (b'{"query": "\xc3", "documents": ["b"]}', "byte 0xc3 is no UTF-8 at line 1 column 12, in query"),
        (b"query=a", "at line 1 column 1"),
        (b"", "at line 1 column 0"),
    ],
)
async def test_what_is_no_json_is_told_line_column_and_document(
    client: httpx.AsyncClient, body: bytes, said: str
) -> None:
    response = await posted(client, "/v1/rerank", body)
    assert response.status_code == 400
    message = response.json()["error"]["message"]
    assert message.startswith("the body is not valid JSON: ")
    assert message.endswith(said)


@pytest.mark.parametrize(
    ("text", "at", "place"),
    [
        ('{"a": 1, "b": [0, [5, "x"]]}', "x", "b[1][1]"),
        ('{"a,[": {"b\\"}": "x"}}', "x", "'a,['.'b\\\\\"}'"),
        ('{"a": [[], {}, "x"]}', "x", "a[2]"),
        ('{"a": {"b": {"c": {"d": "x"}}}}', "x", "a.b.c"),
        ('["]", "x"]', "x", "[1]"),
        ('{"a": "b"} x', "x", ""),
        ('{"a": "}", x', "x", ""),
    ],
)
def test_a_place_is_named_as_a_client_would(text: str, at: str, place: str) -> None:
    assert places(text.encode(), [text.index(at)]) == [place]
