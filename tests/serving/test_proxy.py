"""What Serve's servers answer on their own reaches the client in the API's envelope."""

import json
import re
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
import uvicorn
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from loadtest.server.address import free_port
from serve_app.serving.proxy import ProxyManners, middlewares


async def ask(app: ASGIApp, path: str = "/v1/rerank", **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(ProxyManners(app))
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        return await client.post(path, headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("status", "code", "retries"),
    [
        (408, "deadline_exceeded", False),
        (429, "overloaded", True),
        (500, "internal", False),
        (503, "unavailable", True),
    ],
)
async def test_a_plain_text_error_becomes_an_envelope(status: int, code: str, retries: bool) -> None:
    answer = await ask(PlainTextResponse("Request abc timed out.", status, headers={"x-request-id": "abc"}))
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert ("retry-after" in answer.headers) is retries
    assert answer.headers.get_list("x-request-id") == ["abc"]


@pytest.mark.parametrize(
    ("path", "status", "fields"),
    [
        ("/v2/rerank", 503, {"id", "message"}),
        ("/rerank", 503, {"error", "error_type"}),
        ("/rerank/", 503, {"error", "error_type"}),
        ("/score", 408, {"error"}),
        ("/v1/ranking", 503, {"error", "detail"}),
    ],
)
async def test_it_is_that_of_the_paths_own_clients(path: str, status: int, fields: set[str]) -> None:
    answer = await ask(PlainTextResponse("away", status), path=path)
    assert (answer.status_code, set(answer.json())) == (status, fields)
    assert "x-request-id" not in answer.headers


async def test_no_answer_and_a_crash_become_503() -> None:
    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        return

    async def crashing(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("the actor died")

    for app in (silent, crashing):
        answer = await ask(app)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
        assert "actor" not in answer.text


async def test_where_no_application_serves_yet_it_is_worth_asking_again() -> None:
    answer = await ask(PlainTextResponse("Path '/v1/rerank' not found. Ping http://.../-/routes.", 404))
    assert (answer.status_code, answer.json()["error"]["code"], answer.headers["retry-after"]) == (
        503,
        "unavailable",
        "2",
    )


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """The port of a uvicorn as Serve starts it, with Serve's middlewares around nothing."""
    port = free_port()
    (middleware,) = middlewares()
    config = uvicorn.Config(middleware.cls(PlainTextResponse("fine")), port=port, lifespan="off", log_level="critical")
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run)
    thread.start()
    while not running.started:
        time.sleep(0.01)
    yield port
    running.should_exit = True
    thread.join()


@pytest.mark.parametrize(
    "raw",
    [
        b"GARBAGE\r\n\r\n",
        b"GET /v1/rerank HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    ],
    ids=["no HTTP", "WebSocket"],
)
def test_what_never_becomes_a_request_is_refused_in_the_envelope(server: int, raw: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server), timeout=10) as connection:
        connection.sendall(raw)
        answered = b""
        while part := connection.recv(1 << 16):
            answered += part
            if answered.endswith(b"}"):
                break
    head, _, body = answered.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert re.search(rb"^x-request-id: \w{32}\r?$", head, re.MULTILINE | re.IGNORECASE)
    assert json.loads(body)["error"]["code"] == "invalid_request"


async def test_answers_of_the_gateway_pass_unchanged() -> None:
    for response in (
        JSONResponse({"error": {"code": "not_found"}}, 404),
        PlainTextResponse("a page"),
        HTMLResponse("<h1>There is nothing here</h1>", 404),
        Response('{"html": "<p>Too many documents.</p>"}\n', 400, media_type="application/x-ndjson"),
    ):
        answer = await ask(response)
        assert (answer.status_code, answer.content) == (response.status_code, response.body)


async def test_serve_does_not_see_what_it_would_act_on() -> None:
    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        names = {name.decode(): value.decode() for name, value in scope["headers"]}
        await JSONResponse(names)(scope, receive, send)

    sent = {
        "x_request_timeout_seconds": "0",
        "x_request_disconnect_disabled": "?1",
        "x_request_id": "no good " * 9 + "!",
    }
    seen = (await ask(echo, **sent)).json()
    assert seen["x-rayrank-timeout-seconds"] == "0"
    assert not {"x-request-timeout-seconds", "x-request-disconnect-disabled", "x-request-id"} & set(seen)


async def test_serves_own_paths_are_left_alone() -> None:
    answer = await ask(PlainTextResponse("unhealthy", 503), path="/-/healthz")
    assert answer.text == "unhealthy"


async def test_an_id_that_two_servers_added_comes_once() -> None:
    response = Response(b"{}", media_type="application/json")
    response.headers.append("x-request-id", "one")
    response.headers.append("x-request-id", "one")
    assert (await ask(response)).headers.get_list("x-request-id") == ["one"]
