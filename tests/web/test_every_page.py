"""Every page is for everybody, at any width, in the light and in the dark."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.api.in_memory_accounts import ADMIN_KEY
from tests.api.word_overlap import MODEL
from tests.web.axe import violations
from tests.web.browser import Browsing
from tests.web.house import BROKEN, NOT_SERVED, OTHER, TRY, House, opened, overflow, rank, results, sign_in
from tests.web.paint import paint

SMALL, WIDE = (360, 740), (1600, 900)
LARGEST_BYTES = 60_000


def _tried(page: Page) -> None:
    page.goto(TRY)
    rank(page, "money back", "Bananas are yellow.", "You get your money back.", f"{'word ' * 400}money back")
    expect(results(page)).to_have_count(3)
    for each in page.locator("#answer summary").all():
        each.click()


def _compared(page: Page) -> None:
    page.goto(f"/compare?models={MODEL},{OTHER},{NOT_SERVED}")
    page.get_by_role("button", name="Run 2 models").click()
    expect(page.locator("#answer .sides section")).to_have_count(2)


def _account(page: Page) -> None:
    sign_in(page)
    page.get_by_text("The figures as a table").click()
    page.locator("#keys summary").first.click()


def _new_key(page: Page) -> None:
    sign_in(page)
    page.get_by_role("button", name="Make the key").click()


def _status(page: Page) -> None:
    _tried(page)  # there are figures then
    sign_in(page, ADMIN_KEY)
    page.goto("/status")


def _measured(page: Page) -> None:
    page.goto(TRY)
    for each in page.locator("#quality summary").all():
        each.click()


def _at(path: str) -> Callable[[Page], None]:
    return lambda page: page.goto(path) and None


# How each page is reached, its heading, and a fault that belongs to it.
WAYS: dict[str, tuple[Any, ...]] = {
    "catalogue": (_at("/"), "Reranking models"),
    "found": (_at("/models?q=large&language=zh&sort=price"), "Reranking models"),
    "a model that is served": (_at(TRY), MODEL),
    "a model that is not": (_at(f"/models/{NOT_SERVED}"), NOT_SERVED),
    "a model that is broken": (_at(f"/models/{BROKEN}"), BROKEN),
    "measured": (_measured, MODEL),
    "tried": (_tried, MODEL),
    "compare": (_at("/compare"), "Compare models"),
    "compared": (_compared, "Compare models"),
    "sign in": (_at("/account"), "Your account"),
    "account": (_account, "Account"),
    "a new key": (_new_key, "A new key"),
    "status": (_status, "Status"),
    "style": (_at("/style"), "How these pages look"),
    "error": (_at("/models/no/such-model"), "There is nothing here", 404),
}


@pytest.mark.parametrize(("viewport", "scheme"), [(SMALL, "dark"), (WIDE, "light")], ids=["phone-dark", "wide-light"])
def test_every_page_is_for_everybody_and_as_wide_as_the_window(
    browsing: Browsing, house: House, viewport: tuple[int, int], scheme: Any
) -> None:
    found: list[str] = []
    with browsing.visit(house.origin, viewport=viewport, color_scheme=scheme) as visit:
        for name, (go, heading, *signs) in WAYS.items():
            with visit.watching.expecting(*signs):
                go(visit.page)
            expect(visit.page.get_by_role("heading", level=1)).to_have_text(heading)
            found += [f"{name}: {line}" for line in violations(visit.page)]
            if overflow(visit.page) > 0:
                found.append(f"{name}: {overflow(visit.page)} px too wide")
    assert not found, "\n".join(found)


def test_a_model_page_is_small_and_stands_still(browsing: Browsing, house: House) -> None:
    for viewport in (SMALL, WIDE):
        with browsing.visit(house.origin, viewport=viewport) as visit:
            found = paint(visit.page, TRY)
        print(f"{viewport[0]} px wide: {found}")
        assert found.layout_shift < 0.02
        assert found.content_bytes <= LARGEST_BYTES


def test_without_accounts_no_page_speaks_of_keys_or_prices(browsing: Browsing) -> None:
    with opened(with_accounts=False) as house, browsing.visit(house.origin) as visit:
        page = visit.page
        for path in ("/", TRY, f"/models/{NOT_SERVED}", f"/compare?models={MODEL},{OTHER}", "/status", "/style"):
            page.goto(path)
            words = page.locator("body").inner_text()
            for word in ("Sign in", "Account", "rr_", "API key", "billed", "Charged", "free"):
                assert word not in words, (path, word)
        _tried(page)
        assert "$" not in page.locator("#answer").inner_text()
        with visit.watching.expecting(404):
            page.goto("/account")
        expect(page.get_by_role("heading", level=1)).to_have_text("There is nothing here")
