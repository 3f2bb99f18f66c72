"""The faults: what is struck, how, and within how many seconds clients must be served again."""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil

from loadtest.load.faults import paused
from loadtest.server.postgres import PostgresServer
from loadtest.server.redis import RedisServer
from loadtest.server.running import Server

SLOW_S = 10.0
SLOW_SHARE = 0.8  # of the time in which a slow process stands still
TURN_S = 0.1
IDLE_CONNECTIONS, SLOW_SENDERS, SLOW_READERS = 2_000, 500, 200
STARVED_S = 10.0
SPARE_DESCRIPTORS = 2
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fault may strike."""

    server: Server
    database: PostgresServer
    counters: RedisServer


Strike = Callable[[Scene], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One row of the table.

    strike: the fault happens inside. back_s: within which clients must be served again after it. may_end: the server
    may end itself whole instead, with one line and a status that is not 0.
    """

    name: str
    strike: Strike
    back_s: float = 5.0
    may_end: bool = False


Named = Callable[[str, str], bool]


def _titled(*words: str) -> Named:
    return lambda _, command: all(word in command for word in words)


def _called(name: str) -> Named:
    return lambda found, _: found == name


PARTS: dict[str, Named] = {
    "gateway": _titled("ray::ServeReplica", "Gateway"),
    "scorer": _titled("ray::ServeReplica", "Scorer"),
    "controller": _titled("ray::ServeController"),
    "proxy actor": _titled("ray::ProxyActor"),
    "HAProxy manager": _titled("ray::HAProxyManager"),
    "HAProxy": _called("haproxy"),
    "raylet": _called("raylet"),
    "GCS": _called("gcs_server"),
    "dashboard agent": lambda _, command: "DashboardAgent" in command or "dashboard/agent.py" in command,
    "runtime-env agent": lambda _, command: "RuntimeEnvAgent" in command or "runtime_env/agent/main.py" in command,
}
OF_SERVE = (
    "gateway",
    "scorer",
    "controller",
    "proxy actor",
    "HAProxy manager",
    "HAProxy",
)  # brought back
OF_RAY = ("raylet", "GCS", "dashboard agent", "runtime-env agent")  # without which nothing can be brought back
FED = ("gateway", "scorer", "HAProxy")  # through which requests go
STARTS_S = 25.0  # in which a process of Python that loads a model is there again, on slow cores


class AbsentError(Exception):
    """The part that is to be struck is not there."""


@contextmanager
def _killed(victims: Sequence[psutil.Process]) -> Iterator[None]:
    for victim in victims:
        victim.kill()
    psutil.wait_procs(victims, timeout=5)
    yield


@contextmanager
def _paused(victims: Sequence[psutil.Process], seconds: float) -> Iterator[None]:
    with ExitStack() as stack:
        for victim in victims:
            stack.enter_context(paused(victim))
        time.sleep(seconds)
    yield


@contextmanager
def _slow(victims: Sequence[psutil.Process]) -> Iterator[None]:
    end = time.monotonic() + SLOW_S
    while time.monotonic() < end:
        with _paused(victims, TURN_S * SLOW_SHARE):
            time.sleep(TURN_S * (1 - SLOW_SHARE))
    yield


def _on(part: str, what: Callable[[Sequence[psutil.Process]], AbstractContextManager[None]]) -> Strike:
    @contextmanager
    def strike(scene: Scene) -> Iterator[None]:
        victims = scene.server.processes(PARTS[part])
        if not victims:
            raise AbsentError(f"there is no {part}")
        with what(victims):
            yield

    return strike


@contextmanager
def _database_killed(scene: Scene) -> Iterator[None]:
    scene.database.kill()
    scene.database.start()
    yield


@contextmanager
def _counters_killed(scene: Scene) -> Iterator[None]:
    scene.counters.kill()
    try:
        time.sleep(STARVED_S)
    finally:
        scene.counters.start()
    yield


def _standing_still(which: Callable[[Scene], PostgresServer | RedisServer], seconds: float) -> Strike:
    @contextmanager
    def strike(scene: Scene) -> Iterator[None]:
        with which(scene).standing_still():
            time.sleep(seconds)
        yield

    return strike


@contextmanager
def _disk_full(scene: Scene) -> Iterator[None]:
    disk = scene.server.folder.parent
    if not disk.is_mount():
        raise AbsentError("the server has no disk of its own, which root alone can mount")
    filler = disk / "filler"
    try:
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(bytes(MIB)):
                pass
        time.sleep(STARVED_S)
    finally:
        filler.unlink(missing_ok=True)
    yield


@contextmanager
def _few_descriptors(victims: Sequence[psutil.Process]) -> Iterator[None]:
    before = [(victim, victim.rlimit(psutil.RLIMIT_NOFILE)) for victim in victims]
    try:
        for victim, (_, hard) in before:
            victim.rlimit(psutil.RLIMIT_NOFILE, (victim.num_fds() + SPARE_DESCRIPTORS, hard))
        time.sleep(STARVED_S)
    finally:
        for victim, limits in before:
            with suppress(psutil.NoSuchProcess):
                victim.rlimit(psutil.RLIMIT_NOFILE, limits)
    yield


def _connections(count: int, sent: bytes, *, trickle: bytes = b"") -> Strike:
    """Connections that send something, and then next to nothing."""

    @contextmanager
    def strike(scene: Scene) -> Iterator[None]:
        parts = urlsplit(scene.server.url)
        with ExitStack() as stack:
            opened = []
            for _ in range(count):
                with suppress(OSError):
                    connection = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=2)
                    opened.append(stack.enter_context(connection))
                    connection.sendall(sent)
            end = time.monotonic() + STARVED_S
            while time.monotonic() < end:
                time.sleep(1.0)
                for connection in opened if trickle else ():
                    with suppress(OSError):
                        connection.sendall(trickle)
        yield

    return strike


GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEAD = b"POST /v1/rerank HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def faults(pauses: Sequence[float]) -> list[Fault]:
    """All of them. pauses: for how many seconds processes stand still."""
    rows = [
        *(Fault(f"{part} killed", _on(part, _killed), _serve_back_s(part)) for part in OF_SERVE),
        *(Fault(f"{part} killed", _on(part, _killed), may_end=True) for part in OF_RAY),
        Fault("database killed, and started again", _database_killed, 10.0),
        Fault("Redis killed for 10 s", _counters_killed),
    ]
    for pause in pauses:
        rows += [
            *(Fault(f"{part} stands still for {pause:g} s", _pausing(part, pause), 10.0) for part in OF_SERVE),
            *(
                Fault(f"{part} stands still for {pause:g} s", _pausing(part, pause), 10.0, may_end=True)
                for part in OF_RAY
            ),
            Fault(f"database stands still for {pause:g} s", _standing_still(lambda scene: scene.database, pause)),
            Fault(f"Redis stands still for {pause:g} s", _standing_still(lambda scene: scene.counters, pause)),
        ]
    return [
        *rows,
        *(Fault(f"{part} has a fifth of its time", _on(part, _slow)) for part in OF_SERVE),
        Fault("the disk of the server's folder is full for 10 s", _disk_full),
        *(Fault(f"{part} has 2 descriptors to spare", _on(part, _few_descriptors)) for part in FED),
        Fault("2,000 idle connections", _connections(IDLE_CONNECTIONS, b"")),
        Fault("2,000 half-sent heads", _connections(IDLE_CONNECTIONS, HEAD)),
        Fault(
            "500 bodies that come a byte a second",
            _connections(SLOW_SENDERS, HEAD + b'Content-Length: 100000\r\n\r\n{"', trickle=b"x"),
        ),
        Fault("200 who ask and do not read", _connections(SLOW_READERS, GET * 50)),
    ]


def _serve_back_s(part: str) -> float:
    return STARTS_S if part in {"gateway", "scorer"} else 5.0


def _pausing(part: str, seconds: float) -> Strike:
    return _on(part, lambda victims: _paused(victims, seconds))
