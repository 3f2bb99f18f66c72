"""Where a server keeps its files."""

import time
from pathlib import Path

from loadtest.server.running import Server

LOGGED_S = 20


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


def wait_for_line(server: Server, text: str) -> None:
    """Return when a gateway has logged it: a request's line is written some time after its answer."""
    deadline = time.monotonic() + LOGGED_S
    logs = [file for file in files(server.folder) if "Gateway" in file.name]
    while not any(text.encode() in file.read_bytes() for file in logs):
        assert time.monotonic() < deadline, text
        time.sleep(0.1)
