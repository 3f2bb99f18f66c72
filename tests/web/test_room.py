"""What stands beside one another on a page has room, on a phone too."""

from itertools import combinations

import pytest
from playwright.sync_api import Locator, expect

from serve_app.settings import Settings
from serve_app.web.chart import Place, moves, scatter
from serve_app.web.look import Look
from serve_app.web.offer import Offer
from tests.api.word_overlap import MODEL
from tests.web.browser import Browsing
from tests.web.house import OTHER, TRY, House

PHONE = (360, 740)
COMPARE = f"/compare?models={MODEL},{OTHER}"


def collisions(texts: Locator) -> list[tuple[str, str]]:
    boxes = [(each.text_content() or "", each.bounding_box()) for each in texts.all()]
    return [
        (one, other)
        for (one, a), (other, b) in combinations(boxes, 2)
        if a and b
        if a["x"] < b["x"] + b["width"] and b["x"] < a["x"] + a["width"]
        if a["y"] + 2 < b["y"] + b["height"] and b["y"] + 2 < a["y"] + a["height"]
    ]


def edges(element: Locator) -> tuple[float, float]:
    box = element.bounding_box()
    assert box
    return box["x"], box["x"] + box["width"]


def test_names_of_charts_keep_apart_and_inside(browsing: Browsing, house: House) -> None:
    names = [f"org/a-model-with-quite-a-long-name-{n}" for n in range(5)]
    close = [Place(name, 2.0 + n / 50, 60 + n / 10) for n, name in enumerate(names)]
    chart = scatter("points", [*close, Place("org/far", 4.9, 62)], x="price", y="MAP")
    look = Look(Offer.of(Settings()))
    macro = look._templates.get_template("charts.html").module.chart  # type: ignore[attr-defined]
    orders = {"as sent": range(4)} | {name: [3, 0, 2, 1] for name in names[:4]}
    with browsing.visit(house.origin, viewport=PHONE) as visit:
        page = visit.page
        page.goto("/style")
        page.evaluate(
            "html => { document.querySelector('.charts').innerHTML = html }",
            macro(chart) + macro(moves("moves", orders), numbered=True),
        )
        points, sides = page.locator(".charts figure").all()
        assert points.locator(".plot text").all_text_contents() == ["1", "2", "3", "4", "5", "6"]
        assert sides.locator(".x text").all_text_contents() == ["as sent", "1", "2", "3", "4"]
        for figure, keyed in ((points, "org/far"), (sides, names[3])):
            assert collisions(figure.locator("text")) == []
            expect(figure.get_by_role("listitem").filter(has_text=keyed)).to_be_visible()
            left, right = edges(figure)
            assert all(
                left - 1 <= edges(text)[0] <= edges(text)[1] <= right + 1 for text in figure.locator("text").all()
            )


def test_the_button_that_copies_covers_no_code(browsing: Browsing, house: House) -> None:
    for viewport in (PHONE, (1600, 900)):
        with browsing.visit(house.origin, viewport=viewport) as visit:
            visit.page.goto(TRY)
            block = visit.page.locator("[data-copy]:visible").first
            button, code = block.locator("button").bounding_box(), block.locator("pre").bounding_box()
            assert button
            assert code
            assert button["y"] + button["height"] <= code["y"]


def test_a_comparison_keeps_its_models_and_says_what_it_leaves_out(
    browsing: Browsing, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve_app.web.trial.MOST_SHOWN", 2)
    with browsing.visit(house.origin, viewport=PHONE) as visit:
        page = visit.page
        page.goto(COMPARE)
        example = page.locator(".examples a:not([aria-current])").first
        name = example.inner_text()
        example.click()
        expect(page.locator(".examples [aria-current]")).to_have_text(name)
        expect(page.get_by_role("checkbox", checked=True).and_(page.locator("[name=models]"))).to_have_count(2)
        page.get_by_label("Query").fill("money")
        page.get_by_label("Documents", exact=True).fill("\n".join(["x" * 300, "Bananas", "money"]))
        page.get_by_role("button", name="Run 2 models").click()
        expect(page.get_by_role("heading", name="What each gave")).to_be_focused()
        side = page.locator(".sides section").first
        first, second = side.locator(".bar").all()
        assert edges(first) == edges(second)  # or they would not compare
        expect(side.locator("li").first).to_contain_text("was 3")
        expect(side.locator("li").last.locator(".text")).to_have_text("x" * 240 + "…")
        expect(side).to_contain_text("1 document more is not shown.")
