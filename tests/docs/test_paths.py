"""Files that pages name are there."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT

NAMED = re.compile(r"`((?:serve_app|tests|loadtest|deployments|\.github|\.ci)/[\w./-]*)`")


# The past, and other projects' files.
OTHERS = ("CHANGELOG.md", "compatibility.md")


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in OTHERS], ids=lambda page: page.name)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    made = ("NAME", "FAMILY")  # what the reader is to make
    for name in NAMED.findall(page.read_text()):
        if not any(word in name for word in made):
            assert (ROOT / name).exists(), name
