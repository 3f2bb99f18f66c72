"""What a supervision says of processes that die or hang: real ones, and small."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest

from serve_app.launch import supervision
from serve_app.launch.parts import Part
from serve_app.launch.supervision import Supervision

# It answers whoever connects, as long as it is not stopped.
ANSWERING = """
import socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    server.accept()[0].sendall(b"here")
"""


@pytest.fixture
def process() -> Iterator[psutil.Popen]:
    started = psutil.Popen([sys.executable, "-c", ANSWERING], stdout=subprocess.PIPE)
    yield started
    with suppress(psutil.NoSuchProcess):
        started.kill()
    started.wait()


@pytest.fixture
def answering(process: psutil.Popen) -> Part:
    return Part("raylet", process.pid, "raylet.out", int(process.stdout.readline()))


def fault_of(watched: Supervision, timeout_s: float = 5) -> str | None:
    """The fault that is found within that time."""
    deadline = time.monotonic() + timeout_s
    while (fault := watched.fault()) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return fault


def test_a_part_that_is_gone_is_named_with_its_log(process: psutil.Popen, answering: Part) -> None:
    with Supervision([answering], lambda: 0, pytest.fail) as watched:
        assert watched.fault() is None
        process.kill()  # and its parent has not taken note
        assert fault_of(watched) == (
            f"raylet (process {process.pid}; log raylet.out) is gone, and Ray does not start another"
        )


@pytest.mark.skipif(not psutil.LINUX, reason="elsewhere the system keeps the moment itself")
def test_a_clock_that_is_set_ends_nothing(answering: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    with Supervision([answering], lambda: 0, pytest.fail) as watched:
        assert watched.fault() is None
        booted = psutil.boot_time()
        monkeypatch.setattr("psutil._pslinux.boot_time", lambda: booted + 3_600)
        assert watched.fault() is None


def test_a_command_that_was_stopped_itself_waits_anew(answering: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr("serve_app.launch.supervision.time.monotonic", lambda: now)
    watched = Supervision([answering], lambda: 0, pytest.fail)
    assert watched.fault() is None
    now += 2 * supervision.PATIENCE_S
    assert watched.fault() is None
    for _ in range(int(supervision.PATIENCE_S) + 1):
        now += 1
        fault = watched.fault()
    assert "has not answered for" in str(fault)


def test_a_part_that_hangs_is_a_fault_once_patience_is_over(
    process: psutil.Popen, answering: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"ASK_EVERY_S": 0.1, "ASKED_S": 0.2, "PATIENCE_S": 1.5}.items():
        monkeypatch.setattr(supervision, name, value)
    with Supervision([answering], lambda: 0, pytest.fail) as watched:
        assert fault_of(watched, 3) is None
        process.send_signal(signal.SIGSTOP)
        assert "has not answered for" in str(fault_of(watched))


def test_what_the_service_does_without_is_said_once(process: psutil.Popen) -> None:
    said: list[str] = []
    monitor = Part("monitor", process.pid, "monitor.log", needed=False)
    process.kill()
    process.wait(5)
    watched = Supervision([monitor], lambda: 0, said.append)
    assert (watched.fault(), watched.fault()) == (None, None)
    (warning,) = said
    assert warning.startswith(f"monitor (process {process.pid}; log monitor.log) is gone")


def test_no_way_in_for_two_minutes_is_a_fault() -> None:
    assert Supervision([], lambda: 119, pytest.fail).fault() is None
    assert "nothing has listened for clients for 121 s" in str(Supervision([], lambda: 121, pytest.fail).fault())
