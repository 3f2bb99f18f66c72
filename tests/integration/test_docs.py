"""Every `bash`, `python` and `js` snippet of the docs runs; tests/docs/test_commands.py looks at `sh` blocks."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from loadtest import ROOT
from loadtest.server.running import Server
from serve_app.settings import Settings

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(bash|python|js)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SNIPPETS = [
    pytest.param(language, code, id=f"{page.name}-{number}")
    for page in PAGES
    for number, (language, code) in enumerate(BLOCK.findall(page.read_text()))
]
MODELS = [
    pytest.param(code, id=f"{page.name}-{number}")
    for page in PAGES
    for number, code in enumerate(
        re.findall(r"^```yaml\n(models:\n.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    )
]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with all that a clone has, in which what a snippet writes is nobody's."""
    for path in ROOT.iterdir():
        if path.name != ".rayrank":
            (tmp_path / path.name).symlink_to(path)
    return tmp_path


@pytest.mark.parametrize(("language", "code"), SNIPPETS)
def test_a_snippet_runs(language: str, code: str, server: Server, clone: Path) -> None:
    program = {"bash": "bash", "python": sys.executable, "js": shutil.which("node")}[language]
    if program is None or ("npm " in code and shutil.which("npm") is None):
        pytest.skip("no Node.js on this machine")
    code = code.replace("http://127.0.0.1:8000", server.url).replace("rr_…", server.key)
    if server.url in code:
        code = code.replace("curl ", "curl --fail-with-body ")
    command = [program, {"bash": "-euc", "python": "-c", "js": "-e"}[language], code]
    environment = os.environ | {"KEY": server.key}
    done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout


@pytest.mark.parametrize("settings", MODELS)
def test_settings_that_a_page_shows_are_accepted(settings: str) -> None:
    assert Settings(**yaml.safe_load(settings)).models
