"""What axe-core finds on a page that keeps people with a disability out."""

from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests import npm

FOLDER = Path(__file__).parent
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = """rules => axe.run(document, {
    runOnly: {type: "tag", values: rules},
    resultTypes: ["violations"],
    preload: false, // it would ask for the stylesheets anew, which a page's policy need not allow
})"""


def violations(page: Page) -> list[str]:
    """A line for each element that breaks a rule of WCAG 2.2 AA or of good practice.

    Needs a visit with JavaScript. Skips the test where there is no npm, and fails it in CI.
    """
    # Without, it would wait for ever.
    assert page.evaluate("matchMedia('(scripting: enabled)').matches"), "axe needs a visit with JavaScript"
    # By evaluation, which no Content-Security-Policy stops, and not by a script element.
    if not page.evaluate("'axe' in window"):
        page.evaluate(_source())
    found: dict[str, Any] = page.evaluate(RUN, RULES)
    return [_line(rule, node) for rule in found["violations"] for node in rule["nodes"]]


def _line(rule: dict[str, Any], node: dict[str, Any]) -> str:
    where = " ".join(map(str, node["target"]))
    why = " ".join(node["failureSummary"].split())
    return f"{rule['id']} ({node['impact']}) at {where}: {rule['help']}. {why}"


@cache
def _source() -> str:
    npm.install(FOLDER)
    return (FOLDER / "node_modules" / "axe-core" / "axe.min.js").read_text()
