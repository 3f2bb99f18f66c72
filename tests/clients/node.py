"""JavaScript clients, run by Node."""

import json
import subprocess
from typing import Any

from loadtest import ROOT
from tests import npm

FOLDER = ROOT / "tests" / "clients"


def install() -> None:
    """Have the packages of package.json; skips the test where there is no npm, and fails it in CI."""
    npm.install(FOLDER)


def run(script: str, *arguments: str) -> Any:
    """What a script prints."""
    command = ["node", script, *arguments]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
