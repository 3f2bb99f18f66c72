"""What a start has, killed and hung in turn: it heals, or it ends whole; and none but its user can open it.

Each start is on an uncommon machine: temporary files in a long path with spaces, no home.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import httpx
import psutil
import pytest

from loadtest.server.address import free_port
from loadtest.server.running import RAYRANK, Server, running
from serve_app.launch import session

NOBODY = 65_534
PROGRAMS = {"raylet", "gcs_server", "haproxy"}
SCORER, GATEWAY = "ray::ServeReplica:rayrank:Scorer", "ray::ServeReplica:rayrank:Gateway"
HEALED_S = 150
END_S = 90  # on a busy machine; 2 to 4 s on one that is not
HANG_S = 75
SERVE_CALL, RAY_CALL = "/ray.serve.ASGIService/HandleRequestWithRejection", "/ray.rpc.CoreWorkerService/KillActor"
# Prints what it could read or enter of the paths given to it.
READS = """
import os, socket, sys
os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
for path in sys.argv[1:]:
    try:
        if path.endswith(".sock") or "/sockets/" in path:
            socket.socket(socket.AF_UNIX).connect(path)
        elif os.path.isdir(path):
            os.listdir(path)
        else:
            open(path, "rb").read(1)
    except OSError:
        continue
    print(path)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    files = tmp_path / "a long folder with spaces"
    files.mkdir()
    port = free_port()
    command = [str(RAYRANK), "serve", "--config", "deployments/simulated.yaml", "--port", str(port)]
    variables = {"HOME": "/proc/nowhere", "TMPDIR": str(files), "XDG_STATE_HOME": str(tmp_path / "state")}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")} | variables
    url = f"http://127.0.0.1:{port}"
    with running(command, url, tmp_path / "log", environment=environment, killed=True) as server:
        yield server


def driver(server: Server) -> psutil.Process:
    """The one child of the command; all else is in its session."""
    (process,) = server.process.children()
    return process


def one(server: Server, named: str) -> psutil.Process:
    """The process of the session whose name or title begins so."""
    return next(each for each in session.members(driver(server).pid) if _title(each).startswith(named))


def _title(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return process.name() if process.name() in PROGRAMS else "".join(process.cmdline()[:1])
    return ""


def wait_until(true: Callable[[], bool], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s"
        time.sleep(0.1)


def ended_whole(server: Server, leader: int, where: Path, timeout_s: float) -> None:
    """Wait until nothing of a server is left: no process, no folder, and its port is free."""
    port = int(server.url.rpartition(":")[2])
    wait_until(lambda: not session.members(leader) and not where.exists(), timeout_s)
    socket.create_server(("127.0.0.1", port)).close()


def ranks(server: Server) -> bool:
    body = {"model": "simulated/all-MiniLM-L6-v2", "query": "capital", "documents": ["Paris"]}
    try:
        return httpx.post(f"{server.url}/v1/rerank", json=body, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def test_what_dies_is_replaced_or_not_needed_and_none_but_its_user_can_open_it(server: Server, tmp_path: Path) -> None:
    _nobody_can_open(server)
    _no_port_is_open_without_the_token(server)
    for named in ("ray::ServeController", "haproxy", SCORER, GATEWAY, "ray::ProxyActor"):
        one(server, named).kill()
    for python in driver(server).children():  # Ray's monitors
        if python.name().startswith("python"):
            python.kill()
    time.sleep(2)
    wait_until(lambda: ranks(server), HEALED_S)
    warnings = [line for line in server.output if "goes on without" in line]
    assert len(warnings) == 3
    # The command is killed, and can tell nobody.
    leader, where = driver(server).pid, server.folder
    server.process.kill()
    ended_whole(server, leader, where, END_S)
    (kept,) = (tmp_path / "state" / "rayrank" / "logs").iterdir()
    assert (kept / "ray" / "raylet.out").stat().st_size > 0


@pytest.mark.parametrize(
    ("named", "number", "seconds"),
    [
        ("raylet", signal.SIGKILL, END_S),
        ("ray::RuntimeEnvAgent", signal.SIGKILL, END_S),
        ("gcs_server", signal.SIGSTOP, HANG_S),
    ],
)
def test_what_nothing_replaces_ends_the_command_in_one_line(
    named: str, number: int, seconds: float, server: Server, tmp_path: Path
) -> None:
    leader, where, before = driver(server).pid, server.folder, len(server.output)
    one(server, named).send_signal(number)
    assert server.process.wait(seconds) == 1
    ended_whole(server, leader, where, 0)
    (line,) = server.output[before:]
    assert line.startswith("rayrank: the service has ended: ")
    assert {"ray::RuntimeEnvAgent": "runtime_env_agent"}.get(named, named) in line
    kept = Path(line.strip().rpartition("its logs are in ")[2])
    assert kept.is_relative_to(tmp_path / "state")
    assert (kept / "ray" / "raylet.out").stat().st_size > 0


def _nobody_can_open(server: Server) -> None:
    """Not the token, nor a socket, nor what a process was given."""
    if os.geteuid() != 0:
        return  # without another user's rights there is no other user to be
    where = server.folder
    paths = [where, where / "token", *where.rglob("*.sock"), *where.glob("ray/session_*/sockets/*"), *where.rglob("*")]
    processes = [f"/proc/{each.pid}/environ" for each in server.family()]
    code = READS.format(nobody=NOBODY)
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, *map(str, paths), *processes], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    assert len(paths) > 20


def _no_port_is_open_without_the_token(server: Server) -> None:
    """No replica takes a call from somebody who does not know the token: calls are pickles."""
    for title in (SCORER, GATEWAY):
        codes = set()
        for connection in one(server, title).net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN:
                with grpc.insecure_channel(f"127.0.0.1:{connection.laddr.port}") as channel:
                    codes |= {_code_of(channel, method) for method in (SERVE_CALL, RAY_CALL)}
        assert codes >= {grpc.StatusCode.UNAUTHENTICATED}
        # Not of this service, or not of gRPC.
        assert codes <= {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNAVAILABLE}


def _code_of(channel: grpc.Channel, method: str) -> grpc.StatusCode:
    try:
        channel.unary_unary(method)(b"", timeout=5)
    except grpc.RpcError as refused:
        return refused.code()
    return grpc.StatusCode.OK
