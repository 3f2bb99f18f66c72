"""Packages of npm, which some tests need."""

import fcntl
import shutil
import subprocess
from functools import cache
from pathlib import Path

from tests.absent import absent


def install(folder: Path) -> None:
    """Have the packages of the folder's package.json; skips the test where there is no npm, and fails it in CI."""
    if shutil.which("npm") is None:
        absent("no npm on this machine")
    _install(folder)


@cache
def _install(folder: Path) -> None:
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
    with (folder / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the tests' other worker may want them at the same time
        subprocess.run(command, cwd=folder, check=True, timeout=300)
