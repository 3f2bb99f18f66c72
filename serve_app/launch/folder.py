"""A folder for the files of one run."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serve_app.domain.errors import UserError

# The path of a Unix socket has at most 103 bytes on macOS, and Ray's own takes 85 of them.
LONGEST = 18
SHORT = "/tmp"


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new folder that goes with the run, whose path is short enough for sockets in it.

    Raises UserError when none can be made.
    """
    parent = tempfile.gettempdir()
    if len(parent) > LONGEST and Path(SHORT).is_dir():
        parent = SHORT
    try:
        folder = Path(tempfile.mkdtemp(prefix="rayrank-", dir=parent))
    except OSError as error:
        raise UserError(f"cannot write to {parent}: {error.strerror}") from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
