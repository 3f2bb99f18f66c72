"""The pages as a person uses them, beside a service without a model."""

import re
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from serve_app.domain.errors import ServiceError
from serve_app.web.offer import LARGEST_FORM
from tests.api.in_memory_accounts import DOLLAR
from tests.api.word_overlap import MODEL
from tests.web.browser import Browsing
from tests.web.house import MOST_DOCUMENTS, OTHER, TRY, House, focused, rank, results, sign_in


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_keyboard_reaches_everything_and_shows_where_it_is(browsing: Browsing, house: House) -> None:
    with browsing.visit(house.origin) as visit:
        page = visit.page
        page.goto(TRY)
        page.keyboard.press("Tab")
        assert focused(page, "element.textContent") == "Skip to the content"
        assert focused(page, "element.getBoundingClientRect().top") >= 0
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert focused(page, "element.closest('main') !== null")

        page.goto(TRY)
        page.evaluate(
            """window.waiting = new Set([...document.querySelectorAll("a, button, input, select, textarea, summary")]
                .filter(each => each.tabIndex >= 0 && each.checkVisibility()))"""
        )
        page.keyboard.press("Tab")
        while focused(page, "element !== document.body"):  # until it leaves the page
            assert focused(page, "waiting.delete(element), getComputedStyle(element).outlineStyle") != "none"
            page.keyboard.press("Tab")
        assert page.evaluate("[...waiting].map(each => each.outerHTML)") == []


def test_tabs_of_code_move_with_the_arrow_keys(browsing: Browsing, house: House) -> None:
    with browsing.visit(house.origin) as visit:
        page = visit.page
        page.goto(TRY)
        tabs = page.get_by_role("tab")
        names = tabs.all_inner_texts()
        tabs.first.focus()
        for key, place in [("ArrowRight", 1), ("ArrowLeft", 0), ("ArrowLeft", -1), ("Home", 0), ("End", -1)]:
            page.keyboard.press(key)
            assert focused(page, "element.textContent") == names[place]
            expect(page.get_by_role("tab", selected=True)).to_have_text(names[place])
            expect(page.get_by_role("tabpanel")).to_have_count(1)
            expect(page.get_by_role("tabpanel", name=names[place])).to_be_visible()


def test_without_javascript_every_form_works(browsing: Browsing, house: House) -> None:
    with browsing.visit(house.origin, javascript=False) as visit:
        page = visit.page
        page.goto("/")
        page.get_by_label("Search").fill("words")
        page.get_by_role("button", name="Search").click()
        page.goto(TRY)
        assert page.locator("#code pre").count() == page.locator("#code pre:visible").count() > 5
        rank(page, "money back", "Bananas are yellow.", "You get your money back.")
        expect(results(page).first).to_contain_text("You get your money back.")
        expect(page.get_by_label("Query")).to_have_value("money back")
        with visit.watching.expecting(400):
            rank(page, "money back", *map(str, range(MOST_DOCUMENTS + 1)))
        expect(page.get_by_role("alert")).to_contain_text("20")

        page.goto(f"/compare?models={MODEL},{OTHER}")
        page.get_by_role("button", name="Run 2 models").click()
        expect(page.locator("#answer .sides section")).to_have_count(2)

        page.goto("/account")
        page.get_by_label("Email").fill("grace@example.org")
        page.get_by_role("button", name="Open an account").click()
        expect(page.get_by_text("grace@example.org begins with $1.00 of credit.")).to_be_visible()
        secret = page.locator("main pre").inner_text()
        page.get_by_role("link", name="To the account").click()
        page.get_by_role("button", name="Sign out").click()
        with visit.watching.expecting(401):
            page.goto("/account")
            page.get_by_label("API key").fill("rr_wrong")
            page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("not known")

        sign_in(page, secret)
        page.get_by_label("Name").fill("search")
        page.get_by_role("button", name="Make the key").click()
        expect(page.get_by_text("Its name is search.")).to_be_visible()
        page.get_by_role("link", name="To the account").click()
        row = page.get_by_role("row", name="search")
        row.locator("summary").click()
        row.get_by_role("button", name="Revoke it").click()
        expect(row).to_have_count(0)
        expect(page.get_by_text("Revoked and expired: 1")).to_be_visible()


def test_long_work_tells_how_far_it_is_and_cancel_ends_it_in_the_server(browsing: Browsing, house: House) -> None:
    house.shop.seconds = 60
    with browsing.visit(house.origin) as visit:
        page = visit.page
        sign_in(page)
        page.goto(TRY)
        rank(page, "money back", "Bananas are yellow.", "You get your money back.")
        expect(page.locator("#answer")).to_contain_text("0 of 2 documents have a score")
        assert house.shop.events == ["admitted"]
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator("#answer")).to_contain_text("Cancelled.")
        eventually(lambda: house.shop.events == ["admitted", "left"])
        assert house.accounts.accounts["acct_ada"].balance == DOLLAR
        house.shop.seconds = 0.6
        page.get_by_role("button", name="Rank the documents").click()
        expect(page.locator("#answer")).to_contain_text("0 of 2 documents have a score")
        expect(results(page).first).to_contain_text("You get your money back.")
        assert house.shop.events[2:] == ["admitted", "answered", "captured", "left"]


def test_focus_stays_with_the_work_and_only_its_ends_are_announced(browsing: Browsing, house: House) -> None:
    house.shop.seconds = 1.2
    with browsing.visit(house.origin) as visit:
        page = visit.page
        page.goto(TRY)
        page.evaluate(
            """window.announced = [];
            new MutationObserver(() => announced.push(document.querySelector("body > [role=status]").textContent))
                .observe(document.querySelector("body > [role=status]"), {childList: true})"""
        )
        send = page.get_by_role("button", name="Rank the documents")
        rank(page, "money back", "Bananas are yellow.", "You get your money back.")
        expect(page.locator("#answer")).to_contain_text("1 s")
        assert focused(page, "element.textContent") == "Rank the documents"
        page.keyboard.press("Enter")  # once is enough
        expect(page.get_by_role("heading", name="Ranked")).to_be_focused()
        assert len(house.shop.requests) == 1
        send.click()
        page.get_by_role("button", name="Cancel").click()
        expect(send).to_be_focused()
        said = "Cancelled. What was not answered yet is given up and not charged."
        assert page.evaluate("announced") == ["Working on it.", "The answer is here.", "Working on it.", said]
        assert page.locator("#answer").evaluate("each => each.closest('[aria-live]')") is None

        send.click()
        page.get_by_label("Query").focus()  # whoever has gone on is left alone
        expect(results(page)).to_have_count(2)
        expect(page.get_by_label("Query")).to_be_focused()


def test_what_is_copied_is_heard_and_keeps_the_focus(browsing: Browsing, house: House) -> None:
    with browsing.visit(house.origin) as visit:
        page = visit.page
        page.goto(TRY)
        page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")  # as without TLS
        button = page.get_by_role("button", name="Copy the code").first
        button.focus()
        page.keyboard.press("Enter")
        expect(page.locator("body > [role=status]")).to_have_text("Copied")
        expect(button).to_be_focused()


def test_the_bar_never_goes_back_and_shows_that_it_waits(browsing: Browsing, house: House) -> None:
    with browsing.visit(house.origin) as visit:
        page = visit.page
        page.goto(TRY)
        values = page.evaluate(
            """() => {
                const {bar, show, end} = progressOf(() => {});
                end();
                const told = [{done: 5, total: 10}, {done: 6, total: 10, waiting: ["b"]}, {done: 7, total: 20}];
                told.push({done: 19, total: 20});
                return told.map((each) => { show(each); return bar.getAttribute("value"); });
            }"""
        )
        assert values == ["0.5", None, "0.6", "0.95"]


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ({"status": 502, "body": "<h1>Bad gateway</h1>"}, 502, "The server answered with status 502"),
        (
            {"status": 401, "body": "<main><h1>Please sign in</h1><p>It is over.</p></main>"},
            401,
            "Please sign in",
        ),
        ({"body": "{", "content_type": "application/x-ndjson"}, None, "The connection was lost"),
        ({"body": "{\n", "content_type": "application/x-ndjson"}, "SyntaxError", "our fault"),
        (None, "failed: POST", "The connection was lost"),
    ],
    ids=["no page", "a whole page", "an end too early", "not JSON", "no server"],
)
def test_what_went_wrong_is_told_apart(
    browsing: Browsing, house: House, answer: dict[str, Any] | None, status: int | str | None, said: str
) -> None:
    def give(route: Route) -> None:
        if route.request.method != "POST":
            route.continue_()
        elif answer is None:
            route.abort("connectionreset")
        else:
            route.fulfill(**answer)

    with browsing.visit(house.origin) as visit:
        page = visit.page
        page.goto(TRY)
        page.route("**" + TRY, give)
        with visit.watching.expecting(*filter(None, [status])):
            page.get_by_role("button", name="Rank the documents").click()
            expect(page.locator("#answer").get_by_role("alert")).to_contain_text(said)
        expect(page.locator("#answer h1")).to_have_count(0)
        expect(page.get_by_role("button", name="Rank the documents")).to_be_focused()


def test_more_than_a_form_takes_is_told_before_it_is_sent(browsing: Browsing, house: House) -> None:
    with browsing.visit(house.origin) as visit:
        page = visit.page
        page.goto(TRY)
        before, alert = (
            page.get_by_label("Documents", exact=True).input_value(),
            page.locator("form").get_by_role("alert"),
        )
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Open a file").click()
        chooser.value.set_files({"name": "d.txt", "mimeType": "text/plain", "buffer": b"x" * (LARGEST_FORM + 1)})
        expect(alert).to_contain_text("d.txt has 4.1 MiB; at most 4 MiB")
        expect(page.get_by_label("Documents", exact=True)).to_have_value(before)
        page.get_by_label("Documents", exact=True).evaluate(
            "(each, n) => { each.value = '文'.repeat(n) }", LARGEST_FORM // 9 + 1
        )
        page.get_by_role("button", name="Rank the documents").click()
        expect(alert).to_contain_text("What is entered, as it is sent, has 4.1 MiB")
        assert house.asked("POST") == 0
        page.get_by_label("Documents", exact=True).fill("Bananas")
        page.get_by_role("button", name="Rank the documents").click()
        expect(results(page)).to_have_count(1)
        expect(alert).to_have_count(0)


def test_a_choice_in_the_catalogue_waits_for_the_button(browsing: Browsing, house: House) -> None:
    with browsing.visit(house.origin) as visit:
        page = visit.page
        page.goto("/")
        page.get_by_label("Task").focus()
        page.keyboard.press("ArrowDown")
        page.wait_for_timeout(200)
        expect(page.get_by_label("Task")).to_be_focused()
        assert house.asked("GET /models?") == 0
        page.get_by_role("button", name="Search").click()
        expect(page).to_have_url(re.compile("task=[a-z]"))


def test_errors_are_told_in_words_beside_the_form(browsing: Browsing, house: House) -> None:
    with browsing.visit(house.origin) as visit:
        page = visit.page
        alert = page.locator("#answer").get_by_role("alert")
        page.goto(TRY)
        with visit.watching.expecting(400):
            rank(page, "money back", *map(str, range(MOST_DOCUMENTS + 1)))
            expect(alert).to_contain_text("21")
        house.shop.error = ServiceError("rate_limited", "the demo's 500 documents of a day are spent", retry_after_s=90)
        with visit.watching.expecting(429):
            rank(page, "money back", "Bananas")
            expect(alert).to_contain_text("The demo's 500 documents of a day are spent.")
        expect(alert.get_by_role("link")).to_have_attribute("href", "/account")
        house.shop.error = None

        sign_in(page)
        poor = replace(house.accounts.accounts["acct_ada"], balance=5)
        house.accounts.accounts["acct_ada"] = poor
        page.goto(TRY)
        with visit.watching.expecting(402):
            rank(page, "money back", "Bananas")
            expect(alert).to_contain_text("does not cover")
        house.accounts.sessions.clear()
        with visit.watching.expecting(401):
            page.get_by_role("button", name="Rank the documents").click()
            expect(alert).to_contain_text("The session has ended; sign in again.")
            expect(alert.get_by_role("link", name="Sign in")).to_be_visible()
            page.goto("/account")
            expect(page.get_by_role("heading", level=1)).to_have_text("Please sign in")
        assert [cookie["value"] for cookie in page.context.cookies()] == []


def test_a_file_that_is_opened_or_dropped_fills_the_form(browsing: Browsing, house: House) -> None:
    csv = 'id,text\n1,"money, back"\n2,Bananas\n'
    with browsing.visit(house.origin) as visit:
        page = visit.page
        page.goto(TRY)
        documents = page.get_by_label("Documents", exact=True)
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Open a file").click()
        chooser.value.set_files({"name": "d.csv", "mimeType": "text/csv", "buffer": csv.encode()})
        expect(documents).to_have_value(csv)
        expect(page.get_by_label("Written as")).to_have_value("csv")
        page.get_by_label("Query").fill("money")
        page.get_by_role("button", name="Rank the documents").click()
        expect(results(page).locator(".text")).to_have_text(["money, back", "Bananas"])

        dropped = page.evaluate_handle(
            """() => {
                const transfer = new DataTransfer();
                transfer.items.add(new File(['["one", "two"]'], "d.json"));
                return transfer;
            }"""
        )
        documents.dispatch_event("drop", {"dataTransfer": dropped})
        expect(documents).to_have_value('["one", "two"]')
        expect(page.get_by_label("Written as")).to_have_value("json")
