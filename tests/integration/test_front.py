"""What a client sees of what stands in front of the gateways, before the simulated device."""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import psutil
import pytest

from loadtest.server.address import free_port
from loadtest.server.running import RAYRANK, Server, running

ASKED = {"model": "simulated/all-MiniLM-L6-v2", "query": "capital", "documents": ["Paris", "Rome"]}
# On a busy machine: `make faults` measures 0.7 to 3.7 s. Without the one that stands in it was half a minute.
AGAIN_S = 15.0
TAKEN_OVER_S = 60.0  # 11 s on a machine that is not busy
SETTLED_S = 10.0  # after 0.6 s on such a machine Serve starts its HAProxy once more


class FirstAnswers(threading.Thread):
    """What the port says from its first byte on, until the service is ready."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url, self.seen = url, list[httpx.Response]()

    def run(self) -> None:
        while not self.seen or self.seen[-1].status_code != 200:
            try:
                self.seen.append(httpx.get(f"{self.url}/ready", timeout=30, trust_env=False))
            except httpx.HTTPError:
                time.sleep(0.02)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, FirstAnswers]]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(RAYRANK), "serve", "--config", "deployments/simulated.yaml", "--replicas", "1", "--port", str(port)]
    answers = FirstAnswers(url)
    answers.start()
    with running(command, url, tmp_path_factory.mktemp("front") / "server.log") as server:
        answers.join(60)
        yield server, answers


def haproxies(server: Server) -> list[psutil.Process]:
    """That have to do with the API's port."""
    port = int(server.url.rpartition(":")[2])
    listening = [
        each.pid for each in psutil.net_connections("tcp") if each.laddr and each.laddr.port == port and each.pid
    ]
    found = {psutil.Process(pid) for pid in listening if psutil.pid_exists(pid)}
    return [each for each in found if each.name() == "haproxy"]


def of_serve(server: Server) -> set[int]:
    """The processes of Serve's HAProxy, where it alone listens: one that stands in is no child of the command's."""
    listening = {each.pid for each in haproxies(server)}
    return listening if listening <= {each.pid for each in server.family()} else set()


def settle(server: Server) -> None:
    """Wait until Serve's HAProxy has been the same for some seconds: it starts one, and soon the next.

    One that ends with its last requests asks no gateway whether it lives, so that a hung one holds these for longer.
    """
    began = since = time.monotonic()
    before = of_serve(server)
    while time.monotonic() - since < SETTLED_S:
        assert time.monotonic() - began < TAKEN_OVER_S
        time.sleep(0.25)
        if not (now := of_serve(server)) or now != before:
            before, since = now, time.monotonic()


def seconds_without_answer(server: Server) -> float:
    """Until a request is answered 200; a request that is not answered within a second is given up."""
    began = time.monotonic()
    while time.monotonic() - began < 60:
        try:
            if httpx.post(f"{server.url}/v1/rerank", json=ASKED, timeout=1, trust_env=False).status_code == 200:
                return time.monotonic() - began
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    raise AssertionError("not answered within a minute")


def test_from_the_first_byte_on_it_is_said_in_the_envelope_that_nothing_serves_yet(
    first: tuple[Server, FirstAnswers],
) -> None:
    _, answers = first
    *before, ready = answers.seen
    assert ready.status_code == 200
    for answer in before:
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
        assert answer.headers["retry-after"]
        assert answer.headers["x-request-id"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_the_end_and_the_silence_of_haproxy_last_some_seconds(first: tuple[Server, FirstAnswers], number: int) -> None:
    server, _ = first
    for each in haproxies(server):
        os.kill(each.pid, number)
    assert seconds_without_answer(server) < AGAIN_S
    # Serve takes over from the one that stands in, and no client notices.
    until = time.monotonic() + TAKEN_OVER_S
    while not of_serve(server):
        assert time.monotonic() < until
        assert httpx.post(f"{server.url}/v1/rerank", json=ASKED, timeout=10, trust_env=False).status_code == 200


def test_a_gateway_that_hangs_holds_nobody(first: tuple[Server, FirstAnswers]) -> None:
    server, _ = first
    settle(server)
    (gateway,) = server.replicas("Gateway")
    gateway.suspend()
    began = time.monotonic()
    try:
        answer = httpx.post(f"{server.url}/v1/rerank", json=ASKED, timeout=30, trust_env=False)
    finally:
        took = time.monotonic() - began
        gateway.resume()
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
    assert took < AGAIN_S + 1
    seconds_without_answer(server)


def test_half_sent_heads_stop_nobody(first: tuple[Server, FirstAnswers]) -> None:
    server, _ = first
    port = int(server.url.rpartition(":")[2])
    senders = [socket.create_connection(("127.0.0.1", port)) for _ in range(2_000)]
    for each in senders:
        each.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nA")
    assert seconds_without_answer(server) < AGAIN_S
    senders[0].settimeout(20)
    head, _, body = senders[0].recv(1 << 16).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408")
    assert json.loads(body)["error"]["code"] == "deadline_exceeded"
    for each in senders:
        each.close()


def test_a_web_socket_is_refused_in_the_envelope(first: tuple[Server, FirstAnswers]) -> None:
    server, _ = first
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    answer = httpx.get(f"{server.url}/v1/rerank", headers=headers, timeout=10, trust_env=False)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")


def statuses(server: Server, until: str) -> set[str]:
    """What `/v1/models` says of the model on the way to a status."""
    began, seen = time.monotonic(), set[str]()
    while until not in seen:
        assert time.monotonic() - began < 30, seen
        answer = httpx.get(f"{server.url}/v1/models", timeout=30, trust_env=False)
        assert answer.status_code == 200, answer.text
        seen.add(answer.json()["data"][0]["status"])
        time.sleep(0.1)
    return seen


def test_a_scorer_that_hangs_is_not_ready(first: tuple[Server, FirstAnswers]) -> None:
    server, _ = first
    (scorer,) = server.replicas("Scorer")
    scorer.suspend()
    try:
        assert statuses(server, until="failed") == {"ready", "failed"}
        assert httpx.get(f"{server.url}/ready", timeout=30, trust_env=False).status_code == 503
    finally:
        scorer.resume()
    assert statuses(server, until="ready") <= {"ready", "failed"}


def test_a_scorer_that_restarts_has_not_failed(first: tuple[Server, FirstAnswers]) -> None:
    server, _ = first
    (scorer,) = server.replicas("Scorer")
    scorer.kill()
    assert statuses(server, until="loading") == {"ready", "loading"}
    assert statuses(server, until="ready") == {"ready", "loading"}
