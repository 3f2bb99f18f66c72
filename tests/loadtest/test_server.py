import socket
import sys
from pathlib import Path

import psutil
import pytest
from server import AddressError, NotReadyError, child_server, free_port, loopback_url, wait_until_ready

# Starts a child in a session of its own, as Ray does, prints both process ids and outlives SIGINT.
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"], start_new_session=True)
print(os.getpid(), child.pid, flush=True)
time.sleep(120)
"""


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "http://127.9.9.9", "http://[::1]:8000", "http://localhost:1/"]
)
def test_loopback_is_tested(url: str) -> None:
    assert loopback_url(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "http://10.0.0.1:8000",
        "http://0.0.0.0:8000",
        "http://127.0.0.1@example.com/",
        "http://127.0.0.1.example.com/",
        "https://127.0.0.1",
        "127.0.0.1:8000",
        "http://[::1",
        "http://127.0.0.1:port",
    ],
)
def test_nothing_but_loopback_is_tested(url: str) -> None:
    with pytest.raises(AddressError):
        loopback_url(url)


def test_a_port_that_another_server_has_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(AddressError, match="cannot be had"):
        free_port(other.getsockname()[1])


def test_a_port_that_cannot_be_is_refused() -> None:
    with pytest.raises(AddressError, match="port 99999 cannot be had"):
        free_port(99999)


def test_nothing_that_the_server_started_outlives_it(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    with child_server([sys.executable, "-c", STUBBORN], log, stop_grace_s=0.5):
        while not (started := log.read_text().split()):
            pass
    assert not any(psutil.pid_exists(int(pid)) and _runs(int(pid)) for pid in started)


def _runs(pid: int) -> bool:
    return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_server_that_ends_is_not_waited_for(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with (
        child_server([sys.executable, "-c", "raise SystemExit(3)"], tmp_path / "server.log") as server,
        pytest.raises(NotReadyError, match="status 3"),
    ):
        wait_until_ready(url, 60, server)
