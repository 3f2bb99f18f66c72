"""The logs of the last runs, for who asks afterwards what has happened."""

import os
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

RUNS = 5  # of the newest are kept
MOST_BYTES = 20 * 2**20  # of each file its end
MOST_OF_RUN = 200 * 2**20  # the files that were written last: each process of Ray's that was started has some


def keep_logs(logs: Path, run: str) -> Path | None:
    """Copy a run's logs to where they outlive it, and forget the oldest ones.

    Returns the folder with the copy; None when there is nothing to keep or nowhere to keep it.
    """
    files = _newest_first(logs)
    place = _place() if files else None
    if place is None:
        return None
    kept = place / f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_{run}"
    left = MOST_OF_RUN
    try:
        for file in files:
            target = kept / file.relative_to(logs)
            target.parent.mkdir(0o700, parents=True, exist_ok=True)
            left -= _copy_end(file, target)
            if left <= 0:
                break
    except OSError:  # a full disk: half of the logs say more than none
        if not kept.exists():
            return None
    for old in sorted(each for each in place.iterdir() if each.is_dir())[:-RUNS]:
        shutil.rmtree(old, ignore_errors=True)
    return kept


def _newest_first(logs: Path) -> list[Path]:
    """Every file below that has something in it, also behind links to folders."""
    found: list[tuple[float, Path]] = []
    for folder, _, names in os.walk(logs, followlinks=True):
        for name in names:
            file = Path(folder, name)
            with suppress(OSError):  # it went meanwhile, or is a link to nothing
                state = file.stat()
                if stat.S_ISREG(state.st_mode) and state.st_size > 0:
                    found.append((state.st_mtime, file))
    return [file for _, file in sorted(found, reverse=True)]


def _copy_end(file: Path, target: Path) -> int:
    """Returns how many bytes were copied."""
    with file.open("rb") as source, target.open("xb") as copy:
        source.seek(max(file.stat().st_size - MOST_BYTES, 0))
        shutil.copyfileobj(source, copy)
        return copy.tell()


def _place() -> Path | None:
    """A folder of this user's alone: under the state folder, else where temporary files are."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    for place in (Path(state, "rayrank", "logs"), Path(tempfile.gettempdir(), f"rayrank-logs-{os.geteuid()}")):
        with suppress(OSError):
            place.mkdir(0o700, parents=True, exist_ok=True)
            found = place.lstat()
            # In a folder that all may write to, another user could have made it first.
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and os.access(place, os.W_OK):
                return place
    return None
