"""The report as somebody opens it: a file, without a network."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from serve_app.evaluation.outcome import Outcome
from serve_app.evaluation.report.page import write_report
from tests.evaluation.report.outcomes import LOWERED, NO_MATTER, RAISED, an_outcome
from tests.web.axe import violations
from tests.web.browser import Browsing
from tests.web.house import overflow
from tests.web.test_hostile_texts import HOSTILE

SMALL, WIDE = (360, 740), (1600, 900)
DEPTHS = {10: (0.58, RAISED, LOWERED), 20: (0.6, RAISED, NO_MATTER), 100: (0.6, RAISED, NO_MATTER)}
MOVES = [(4, 1), (9, 2), (10, 1), (1, 12), (2, 3), (3, 3)]
UNSEEN = "\u200b\u200b\u2066"
TEXTS = (*HOSTILE, "line\n\n" * 1_000, "a" + "\u0301" * 200, "\0 \ud800 \x1b[31m", UNSEEN)


def opened(page: Page, outcome: Outcome, folder: Path) -> None:
    write_report(outcome, folder / "report.html")
    page.context.set_offline(True)
    page.goto((folder / "report.html").as_uri())
    for summary in page.locator("summary").all():
        if summary.locator("..").get_attribute("open") is None:
            summary.click()


@pytest.mark.parametrize(("viewport", "scheme"), [(SMALL, "dark"), (WIDE, "light")], ids=["phone", "wide"])
@pytest.mark.parametrize("judged", [True, False], ids=["judged", "not judged"])
def test_it_is_for_everybody_at_any_width_without_a_network(
    browsing: Browsing, tmp_path: Path, viewport: tuple[int, int], scheme: Literal["light", "dark"], judged: bool
) -> None:
    outcome = an_outcome(MOVES, depths=DEPTHS, judged=judged)
    with browsing.visit("file://", viewport=viewport, color_scheme=scheme) as visit:
        opened(visit.page, outcome, tmp_path)
        expect(visit.page.get_by_role("heading", level=1)).to_have_text("Does reranking help on my data?")
        assert overflow(visit.page) <= 0
        assert violations(visit.page) == []


def test_it_needs_no_script(browsing: Browsing, tmp_path: Path) -> None:
    with browsing.visit("file://", javascript=False) as visit:
        opened(visit.page, an_outcome(MOVES, depths=DEPTHS), tmp_path)
        expect(visit.page.locator("svg.plot").first).to_be_visible()
        background = visit.page.locator(".card").first.evaluate("each => getComputedStyle(each).borderTopWidth")
        assert background == "1px"  # the style is let through


@pytest.mark.parametrize("judged", [True, False], ids=["judged", "not judged"])
def test_hostile_texts_are_shown_and_nothing_else(browsing: Browsing, tmp_path: Path, judged: bool) -> None:
    outcome = an_outcome(MOVES, depths=DEPTHS, texts=TEXTS[:12], judged=judged)
    queries = dict(zip(outcome.collection.queries, TEXTS, strict=False))
    collection = replace(outcome.collection, name=HOSTILE[3], queries=queries, first_stage=HOSTILE[1])
    scorer = replace(outcome.scorer, model=HOSTILE[2], machine=HOSTILE[6], precision=HOSTILE[0])
    outcome = replace(outcome, collection=collection, scorer=scorer, command=HOSTILE[5], remarks=TEXTS)
    with browsing.visit("file://", viewport=SMALL) as visit:
        page = visit.page
        opened(page, outcome, tmp_path)
        said = page.locator("main").text_content() or ""
        assert all(text in said for text in HOSTILE[:7])
        assert "x" * 1_000 not in said
        assert page.locator("script, img, textarea, iframe, [onload], [onerror]").count() == 0
        assert page.evaluate("'hacked' in window") is False
        assert overflow(page) <= 0


def test_what_turns_the_direction_stays_in_its_own_text(browsing: Browsing, tmp_path: Path) -> None:
    """A mark that is never closed must not turn what the report says after it."""
    outcome = an_outcome([(4, 1)], texts=["\u202eevil"])
    outcome = replace(outcome, queries=[replace(outcome.queries[0], id="\u202eq1")])
    outcome = replace(outcome, collection=replace(outcome.collection, queries={"\u202eq1": "\u202easked"}))
    with browsing.visit("file://") as visit:
        opened(visit.page, outcome, tmp_path)
        for selector in (".asked", ".told bdi", ".text"):
            found = visit.page.locator(selector).first
            assert found.evaluate("each => getComputedStyle(each).unicodeBidi") in {"isolate", "plaintext"}


def test_it_can_be_printed_whole(browsing: Browsing, tmp_path: Path) -> None:
    with browsing.visit("file://") as visit:
        opened(visit.page, an_outcome(MOVES, depths=DEPTHS), tmp_path)
        visit.page.emulate_media(media="print")
        assert overflow(visit.page) <= 0
        expect(visit.page.get_by_role("heading", name="How this was found out")).to_be_visible()
        expect(visit.page.locator(".chart details").first).to_be_hidden()
