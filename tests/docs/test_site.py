"""The site of docs/ is built as `make docs` builds it, and each page is found on it."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT

ZENSICAL = Path(sys.executable).with_name("zensical")


def built(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(ZENSICAL), "build", "--clean", "--strict"]
    assert f"$(BIN)/{' '.join(['zensical', *command[1:]])}\n" in (ROOT / "Makefile").read_text()
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of what the site is made of, to build in."""
    shutil.copytree(DOCS, tmp_path / "docs")
    for name in ("zensical.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_every_page_is_on_the_site_and_in_its_menu(sources: Path) -> None:
    done = built(sources)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {path.stem for path in DOCS.glob("*.md")}
    assert pages <= {path.stem for path in (sources / "dist" / "site").glob("*.html")}
    menu = str(tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"])
    assert {name for name in pages if f"'{name}.md'" not in menu} == set(), "not in `nav` of zensical.toml"
    start = (sources / "dist" / "site" / "index.html").read_text()
    assert 'id="which-model"' in start, "the README's section is not on the first page"
    assert 'class="mermaid"' in (sources / "dist" / "site" / "architecture.html").read_text()


@pytest.mark.parametrize("link", ["nowhere.md", "api.md#nowhere"])
def test_a_broken_link_fails_the_build(sources: Path, link: str) -> None:
    with (sources / "docs" / "web.md").open("a") as page:
        page.write(f"\n[a link]({link})\n")
    assert built(sources).returncode != 0
