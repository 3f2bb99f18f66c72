import socket
import sys
from pathlib import Path

import psutil
import pytest

from loadtest.server.address import AddressError, free_port, loopback_url
from loadtest.server.running import LeftBehindError, NotReadyError, printed, running

# Starts a child in a session of its own, as Ray does, and prints both process ids.
FAMILY = """
import os, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"], start_new_session=True)
print("started", os.getpid(), child.pid, flush=True)
"""
TIDY = """
try:
    time.sleep(120)
except KeyboardInterrupt:
    child.kill(), child.wait()
    print("stopped", flush=True)
"""
LEAVES_ITS_CHILD = "signal.signal(signal.SIGINT, lambda *_: sys.exit()); time.sleep(120)"
OUTLIVES_CTRL_C = "signal.signal(signal.SIGINT, signal.SIG_IGN); print('deaf', flush=True); time.sleep(120)"
URL = "http://127.0.0.1:9"  # nobody is asked


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


def test_a_server_that_ends_with_all_it_started_leaves_nothing_to_say(tmp_path: Path) -> None:
    with running([sys.executable, "-c", FAMILY + TIDY], URL, tmp_path / "log", ready=printed("started")) as server:
        pids = _pids(server.output)
        assert {process.pid for process in server.family()} == set(pids)
    assert server.output[-1] == "stopped\n"
    assert not any(map(_runs, pids))


@pytest.mark.parametrize(
    ("ending", "ready"), [(LEAVES_ITS_CHILD, "started"), (OUTLIVES_CTRL_C, "deaf")], ids=["child", "itself"]
)
def test_what_a_server_leaves_behind_is_killed_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, ready: str
) -> None:
    monkeypatch.setattr("loadtest.server.running.LEFT_S", 0.3)
    command = [sys.executable, "-c", FAMILY + ending]
    with (
        pytest.raises(LeftBehindError, match=r"left behind: \d+ .*python"),
        running(command, URL, tmp_path / "log", ready=printed(ready), stop_s=0.5) as server,
    ):
        pids = _pids(server.output)
    assert not any(map(_runs, pids))


def test_a_failure_inside_is_not_hidden_by_what_is_left_behind(tmp_path: Path) -> None:
    command, log = [sys.executable, "-c", FAMILY + OUTLIVES_CTRL_C], tmp_path / "log"
    with pytest.raises(ZeroDivisionError), running(command, URL, log, ready=printed("deaf"), stop_s=0.1):
        raise ZeroDivisionError
    assert not any(map(_runs, _pids(log.read_text().splitlines())))


def test_a_server_that_is_to_be_killed_is_not_asked(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FAMILY + OUTLIVES_CTRL_C]
    with running(command, URL, tmp_path / "log", ready=printed("deaf"), killed=True) as server:
        pids = _pids(server.output)
    assert not any(map(_runs, pids))


def test_a_server_that_ends_is_not_waited_for(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('no model'); raise SystemExit(3)"]
    with (
        pytest.raises(NotReadyError, match=r"(?s)status 3 .*no model"),
        running(command, URL, tmp_path / "log"),
    ):
        pass


def _pids(output: list[str]) -> list[int]:
    return [int(pid) for pid in output[0].split()[1:]]


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
