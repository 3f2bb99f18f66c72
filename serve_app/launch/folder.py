"""A folder for the files of one run, which its user alone can read and which goes with the run."""

import fcntl
import json
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from serve_app.domain.errors import UserError
from serve_app.launch import session
from serve_app.launch.kept_logs import keep_logs

PREFIX = "rayrank-"
SHORT = "/tmp"
# A Unix socket's path may have 97 bytes with HAProxy. 17 of them are this folder's name, 70 what Serve puts below it.
LONGEST = 10
PLAIN = re.compile(r"[\w./-]+", re.ASCII)  # Ray hands paths on in commands that are cut at spaces
YOUNG_S = 60.0  # a folder that is not locked may be one whose maker is about to lock it


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A folder under a lock that its owners hold as long as they live.

    path: readable by its owner alone. lock: the open file that is locked.
    """

    path: Path
    lock: int

    @property
    def token(self) -> Path:
        """The file whose content opens every port of this run's Ray."""
        return self.path / "token"

    @property
    def logs(self) -> Path:
        """Ray's logs, and what the process that holds Ray printed."""
        return self.path / "logs"

    def environment(self) -> dict[str, str]:
        """Variables by which Ray uses this run's token and no other, and keeps its logs small."""
        return {
            "RAY_AUTH_TOKEN_PATH": str(self.token),
            "RAY_ROTATION_MAX_BYTES": str(16 * 2**20),
            "RAY_ROTATION_BACKUP_COUNT": "1",
        }

    def belongs_to(self, driver: psutil.Process) -> None:
        """Write down whose session is to end with this folder."""
        owner = {"session": driver.pid, "created": driver.create_time()}
        (self.path / "driver").write_text(json.dumps(owner), encoding="utf-8")

    def clear(self) -> Path | None:
        """End all that belongs to this run and remove the folder. Returns where its logs are kept, if anywhere."""
        return _clear(self.path)


def make_folder() -> RunFolder:
    """A new folder with a new token in it, whose path is short enough for sockets.

    Raises UserError when none can be made.
    """
    parent = _parent()
    try:
        path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = RunFolder(path, lock)
        folder.token.touch(0o600)
        folder.token.write_text(secrets.token_hex(32), encoding="ascii")
        folder.logs.mkdir(0o700)
        (folder.logs / "ray").symlink_to("../ray/session_latest/logs")
    except OSError as error:
        raise UserError(f"cannot write to {parent}: {error.strerror}") from None
    return folder


def clear_stale() -> None:
    """Remove what earlier runs left that ended without a chance to, with their processes."""
    for path in _folders():
        with suppress(OSError), _stale(path) as is_stale:
            if is_stale:
                _clear(path)


def stale_folders() -> list[Path]:
    """Folders of this user's runs that ended without a chance to remove them."""
    found = []
    for path in _folders():
        with suppress(OSError), _stale(path) as is_stale:
            if is_stale:
                found.append(path)
    return found


def _folders() -> Iterator[Path]:
    for parent in sorted({_parent(), SHORT}):
        yield from Path(parent).glob(f"{PREFIX}*")


@contextmanager
def _stale(path: Path) -> Iterator[bool]:
    """Whether a folder is a run's that has ended; it is locked meanwhile. Raises OSError where it is no run's."""
    state = path.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid():
        yield False
        return
    lock = os.open(path / "lock", os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield (path / "driver").exists() or time.time() - state.st_mtime > YOUNG_S
    finally:
        os.close(lock)


def _clear(path: Path) -> Path | None:
    with suppress(OSError, ValueError, KeyError):
        owner = json.loads((path / "driver").read_text(encoding="utf-8"))
        session.end_leftovers(owner["session"], owner["created"], path)
    try:
        return keep_logs(path / "logs", path.name)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _parent() -> str:
    parent = tempfile.gettempdir()
    fits = len(os.fsencode(parent)) <= LONGEST and PLAIN.fullmatch(parent)
    return parent if fits or not Path(SHORT).is_dir() else SHORT
