"""The pages that people read here: what is on each, and where it leads."""

import re
from pathlib import Path

from pymdownx.slugs import slugify

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
INCLUDED = re.compile(r'^--8<-- "([\w./-]+):([\w-]+)"$', re.MULTILINE)
LINK = re.compile(r"\]\(((?:[^()\s]|\([^()]*\))+)\)")
SLUG = slugify(case="lower")


def prose(page: Path) -> str:
    """A page without its blocks of code, with what it includes from others."""
    return INCLUDED.sub(lambda found: _section(found[1], found[2]), FENCE.sub("", page.read_text()))


def links(page: Path) -> list[str]:
    return LINK.findall(re.sub(r"`[^`\n]*`", "", prose(page)))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site make them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE):
        slug = SLUG(re.sub(r"[`*]|\]\([^)]*\)|\[", "", heading), "-")
        count = sum(each == slug or each.startswith(f"{slug}-") for each in found)
        found.add(f"{slug}-{count}" if slug in found else slug)
    return found


def _section(name: str, section: str) -> str:
    text = FENCE.sub("", (ROOT / name).read_text())
    return text.partition(f"[start:{section}] -->")[2].partition("<!-- --8<--")[0]
