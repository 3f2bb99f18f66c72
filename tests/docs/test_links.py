"""Every link of README, changelog and docs leads somewhere; addresses of others are not asked."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, PAGES, anchors, links, prose


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_their_anchors_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if re.match(r"https?://", link):
            continue
        target, _, anchor = link.partition("#")
        assert ":" not in target, f"{link}: neither a page nor a web address"
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{link}: no such file"
        if anchor:
            assert anchor in anchors(path), f"{link}: {path.name} has no such heading"
        # On the site there is nothing above docs/.
        assert page.parent != DOCS or path.is_relative_to(DOCS), f"{link}: not on the site"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_list_begins_after_an_empty_line(page: Path) -> None:
    # GitHub does not need one; in the site the list would be one paragraph.
    before = ""
    for line in prose(page).splitlines():
        if re.match(r"([-*]|\d+\.) ", line):
            assert not before or re.match(r"([-*#]|\d+\.| )", before), line
        before = line


def test_every_picture_of_the_docs_is_shown() -> None:
    shown = {Path(link).name for page in PAGES for link in links(page)}
    assert {path.name for path in (DOCS / "images").iterdir()} <= shown
