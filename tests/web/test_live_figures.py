"""Figures that are asked again while a person looks at them."""

from datetime import UTC, datetime

from playwright.sync_api import Page, expect

from tests.api.in_memory_accounts import ADMIN_KEY
from tests.web.browser import Browsing
from tests.web.house import TRY, House, focused, rank, results, sign_in


def test_figures_stay_live_but_not_while_nobody_looks(browsing: Browsing, house: House) -> None:
    with browsing.visit(house.origin) as visit:
        page = visit.page
        page.clock.install()
        page.goto(TRY)
        card = page.locator("[data-live]")
        expect(card).to_contain_text("41")
        house.shop.documents_per_s = 1_234.0
        page.clock.run_for(5_100)
        expect(card).to_contain_text("1.23 k")
        look(page, hidden=True)
        asked = house.asked("part=live")
        page.clock.run_for(60_000)
        page.wait_for_timeout(100)
        assert house.asked("part=live") == asked
        house.shop.documents_per_s = 77.0
        look(page, hidden=False)
        expect(card).to_contain_text("77", timeout=2_000)  # sooner than by its clock


def test_fresh_figures_leave_a_person_where_they_are(browsing: Browsing, house: House) -> None:
    with browsing.visit(house.origin, viewport=(360, 740)) as visit:
        page = visit.page
        page.goto(TRY)
        rank(page, "money back", "Bananas")
        expect(results(page)).to_have_count(1)
        sign_in(page, ADMIN_KEY)
        page.clock.install()
        page.goto("/status")
        live = page.locator("[data-live]")
        summaries = live.locator("summary")
        summaries.nth(0).click()
        summaries.nth(1).focus()
        page.evaluate("document.querySelector('[data-live] .scroll').scrollLeft = 77")
        house.shop.documents_per_s = 1_234.0
        page.clock.run_for(10_100)
        expect(live).to_contain_text("1.23 k")
        assert live.locator("details").evaluate_all("all => all.map(each => each.open)") == [True, False]
        assert page.evaluate("document.querySelector('[data-live] .scroll').scrollLeft") == 77
        assert focused(page, "[...document.querySelectorAll('[data-live] summary')].indexOf(element)") == 1


def test_figures_of_another_model_come_between_and_nothing_closes(browsing: Browsing, house: House) -> None:
    def part(*names: str) -> str:
        return "<p>now</p>" + "".join(
            f'<section id="{name}"><details><summary>{name}</summary></details></section>' for name in names
        )

    with browsing.visit(house.origin) as visit:
        page = visit.page
        page.goto(TRY)
        page.evaluate(
            "html => { document.querySelector('main').innerHTML = `<div id='live'>${html}</div>` }", part("b")
        )
        page.locator("#b summary").click()
        for names in (("b", "c"), ("a", "b", "c"), ("b",), ("a", "c")):
            page.evaluate("html => renew(document.getElementById('live'), html)", part(*names))
            expected = names if "b" in names else ("b",)  # which has the focus, and stays
            assert page.locator("#live summary").all_inner_texts() == list(expected)
            assert page.locator("#live [open] summary").all_inner_texts() == ["b"]
            assert focused(page, "element.textContent") == "b"


def test_figures_that_are_old_say_so(browsing: Browsing, house: House) -> None:
    with browsing.visit(house.origin) as visit:
        page = visit.page
        page.clock.install(time=datetime(2026, 3, 1, 12, 34, tzinfo=UTC))
        page.goto(TRY)
        line = page.get_by_role("complementary").get_by_role("status")

        def ask(times: int) -> None:
            for _ in range(times):
                with page.expect_response("**/*part=live"):
                    page.clock.run_for(5_000)
                page.wait_for_timeout(50)  # until the script has read it

        page.route("**/*part=live", lambda route: route.fulfill(status=503))
        with visit.watching.expecting(503):
            ask(2)
            expect(line).to_be_empty()
            ask(1)
            expect(line).to_have_text("These figures are from 12:34 UTC; the server does not answer.")
        page.unroute("**/*part=live")
        ask(1)
        expect(line).to_be_empty()
        page.route("**/*part=live", lambda route: route.fulfill(status=401))
        with visit.watching.expecting(401):
            ask(1)
            expect(line).to_have_text("Your session has ended: sign in again.")
        expect(line.get_by_role("link")).to_have_attribute("href", "/account")
        page.unroute("**/*part=live")
        asked = house.asked("part=live")
        page.clock.run_for(60_000)
        page.wait_for_timeout(100)
        assert house.asked("part=live") == asked


def look(page: Page, *, hidden: bool) -> None:
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", {configurable: true, get: () => hidden});
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )
