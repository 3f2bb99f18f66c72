"""JavaScript clients, run by Node."""

import json
import shutil
import subprocess
from typing import Any

import pytest

from loadtest import ROOT

FOLDER = ROOT / "tests" / "clients"


def install() -> None:
    """Have the packages of package.json; skips the test where that cannot be."""
    if shutil.which("npm") is None:
        pytest.skip("no npm on this machine")
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
    subprocess.run(command, cwd=FOLDER, check=True, timeout=300)


def run(script: str, *arguments: str) -> Any:
    """What a script prints."""
    command = ["node", script, *arguments]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
