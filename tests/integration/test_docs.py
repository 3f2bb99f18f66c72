"""Every `bash` and `python` snippet of the docs runs; `sh` blocks need more than a test has."""

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
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://)([^)#]+)\)")
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


@pytest.mark.parametrize(("language", "code"), SNIPPETS)
def test_a_snippet_runs(language: str, code: str, server: Server) -> None:
    if "npm " in code and shutil.which("npm") is None:
        pytest.skip("no npm on this machine")
    code = code.replace("http://127.0.0.1:8000", server.url).replace("rr_…", server.key)
    if server.url in code:
        code = code.replace("curl ", "curl --fail-with-body ")
    command = ["bash", "-euc", code] if language == "bash" else [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout


@pytest.mark.parametrize("settings", MODELS)
def test_settings_that_a_page_shows_are_accepted(settings: str) -> None:
    assert Settings(**yaml.safe_load(settings)).models


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target
