"""A server under test: on this machine only, and gone when the test is over."""

import ipaddress
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil

KILL_WAIT_S = 10.0
STOP_GRACE_S = 30.0


class AddressError(Exception):
    """An address that must not or cannot be tested."""


class NotReadyError(Exception):
    """The server did not become ready."""


def loopback_url(text: str) -> str:
    """Return the URL without a slash at its end; AddressError unless it is plain HTTP to this machine's loopback."""
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        parts.port  # noqa: B018 - reading it checks it
    except ValueError as error:
        raise AddressError(f"{text!r} is no URL: {error}") from error
    if parts.scheme != "http" or not host:
        raise AddressError(f"{text!r} is no http:// URL")
    if not _is_loopback(host):
        raise AddressError(f"{host} is not this machine: only 127.0.0.0/8, ::1 and localhost are load-tested")
    return text.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address in ipaddress.ip_network("127.0.0.0/8") or address == ipaddress.ip_address("::1")


def free_port(wanted: int | None = None) -> int:
    """Return the wanted port, or any; AddressError if it is taken, as its owner would be tested instead."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", wanted or 0))
        except (OSError, OverflowError) as error:
            raise AddressError(f"port {wanted} cannot be had: {error}") from error
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def child_server(
    command: Sequence[str], log: Path, stop_grace_s: float = STOP_GRACE_S, stdin: int = subprocess.DEVNULL
) -> Iterator[psutil.Popen]:
    """Run the command in a session of its own; afterwards neither it nor anything it started runs."""
    with log.open("wb") as output:
        process = psutil.Popen(command, stdin=stdin, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        yield process
    finally:
        _stop(process, stop_grace_s)


def _stop(server: psutil.Popen, grace_s: float) -> None:
    # Taken before the server goes: afterwards its children belong to nobody.
    family = _family(server.pid)
    try:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGINT)
        deadline = time.monotonic() + grace_s
        while any(map(_runs, family)) and time.monotonic() < deadline:
            server.poll()
            time.sleep(0.1)
    finally:  # and also when a second Ctrl-C ends the wait
        killed = {*family, *_family(server.pid)}
        for process in killed:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        server.wait()
        # On a busy machine a kill takes effect a moment after it is sent.
        deadline = time.monotonic() + KILL_WAIT_S
        while any(map(_runs, killed)) and time.monotonic() < deadline:
            time.sleep(0.01)


def _family(leader: int) -> set[psutil.Process]:
    """Return the session that the leader began and its descendants, which may have begun sessions of their own."""
    members = set()
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(leader)
        members = {process, *process.children(recursive=True)}
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if os.getsid(process.pid) == leader:
                members.add(process)
    return members


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until_ready(url: str, timeout_s: float, server: psutil.Popen | None = None) -> float:
    """Return the seconds until GET /ready answered 200; NotReadyError if it does not, or the server ends before."""
    began = time.monotonic()
    while (waited := time.monotonic() - began) < timeout_s:
        if server is not None and (code := server.poll()) is not None:
            raise NotReadyError(f"the server ended with status {code} before it was ready")
        with suppress(httpx.HTTPError):
            # No proxy of the environment's: the request would leave the machine.
            if httpx.get(f"{url}/ready", timeout=2, trust_env=False).status_code == 200:
                return waited
        time.sleep(0.3)
    raise NotReadyError(f"{url}/ready did not answer 200 within {timeout_s:.0f} s")
