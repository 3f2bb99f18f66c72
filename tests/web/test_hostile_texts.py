"""What people send is text on every page, and what is theirs stays theirs."""

import json
import shlex
from dataclasses import replace
from urllib.parse import quote, unquote

import pytest
from playwright.sync_api import Page, expect

from serve_app.domain.measured import Interval
from tests.domain.test_measured import CHECK, RUN
from tests.web.browser import Browsing
from tests.web.house import TRY, House, opened, overflow, results, sign_in

HALF = Interval(0.5, 0.4, 0.6)
HOSTILE = (
    "<script>window.hacked = 1</script>",
    '<img src=x onerror="window.hacked = 1">',
    '"><svg onload=window.hacked=1>',
    "</textarea></code></pre><script>window.hacked = 1</script>",
    "{{7*7}} {% include 'base.html' %} ${7*7} %s &lt; &amp;",
    "'; rm -rf / #`$(id)`",
    "\u202efrom right to left\u2066\u200b",
    "<b>" + "x" * 10_000,
)


@pytest.mark.parametrize("whole_page", [False, True], ids=["by the script", "as a whole page"])
def test_hostile_texts_are_shown_and_nothing_else(browsing: Browsing, house: House, whole_page: bool) -> None:
    query = HOSTILE[3] + HOSTILE[2]
    with browsing.visit(house.origin) as visit:
        page = visit.page
        page.goto(TRY)
        page.get_by_label("Query").fill(query)
        page.get_by_label("Documents", exact=True).fill("\n".join(HOSTILE))
        if whole_page:
            with page.expect_navigation():
                page.evaluate("document.querySelector('form[data-answer]').submit()")  # past the script
        else:
            page.get_by_role("button", name="Rank the documents").click()
        expect(results(page)).to_have_count(len(HOSTILE))
        shown = {each.locator(".text").last.text_content() for each in results(page).all()}
        assert shown == set(HOSTILE)
        assert page.get_by_label("Query").input_value() == query
        assert page.get_by_label("Documents", exact=True).input_value() == "\n".join(HOSTILE)
        curl, request, _ = (each.text_content() or "" for each in page.locator("#answer pre").all())
        for text in (request, shlex.split(curl)[-1]):
            asked = json.loads(text)
            assert (asked["query"], asked["documents"]) == (query, list(HOSTILE))
        assert page.locator("#answer").locator("script, img, textarea, [onload], [onerror]").count() == 0
        assert page.evaluate("'hacked' in window") is False
        assert overflow(page) <= 0


def test_hostile_results_are_shown_and_nothing_else(browsing: Browsing) -> None:
    texts = [text[:200] for text in HOSTILE]
    with opened() as house, browsing.visit(house.origin, viewport=(360, 740)) as visit:
        page, facts = visit.page, house.shop.facts
        house.shop.facts = replace(
            facts,
            measured=[
                replace(
                    RUN, dataset=text, first_stage=text, machine=text, command=text, measures={text: HALF}, before={}
                )
                for text in texts
            ],
            precision_checks=[
                replace(CHECK, dataset=text, machine=text, command=text, changes={text: HALF}) for text in texts
            ],
        )
        page.goto(TRY)
        quality = page.locator("#quality")
        for summary in quality.locator("summary").all():
            summary.click()
        assert quality.locator("h4").all_text_contents() == texts
        assert quality.locator("pre").all_text_contents() == [*texts, *texts]
        assert quality.locator("script, img, textarea, [onload], [onerror]").count() == 0
        assert page.evaluate("'hacked' in window") is False
        assert overflow(page) <= 0


def _said(text: str) -> dict[str, str]:
    return dict.fromkeys(("dataset", "machine", "command"), text)


def test_a_null_character_is_no_end_of_anything(browsing: Browsing, house: House) -> None:
    with browsing.visit(house.origin) as visit:
        page = visit.page
        page.goto(TRY)
        page.evaluate("document.querySelector('#documents').value = 'before\\0after'")
        page.get_by_role("button", name="Rank the documents").click()
        assert (results(page).locator(".text").text_content() or "").replace("\ufffd", "") == "beforeafter"
        assert house.shop.requests[-1].documents[0].text == "before\0after"
        assert r"before\u0000after" in (page.locator("#answer pre").first.text_content() or "")


def test_hostile_names_of_keys_and_models_are_shown_and_nothing_else(browsing: Browsing, house: House) -> None:
    names = HOSTILE[:3]
    with browsing.visit(house.origin) as visit:
        page = visit.page
        sign_in(page)
        for name in names:
            page.get_by_label("Name").fill(name)
            page.get_by_role("button", name="Make the key").click()
            expect(page.get_by_role("heading", name="A new key")).to_be_visible()
            assert f"Its name is {name}." in (page.locator("main").text_content() or "")
            page.goto("/account")
        table = page.get_by_role("region", name="All keys")
        assert set(names) <= set(table.locator("tbody th").all_text_contents())
        for name in names:
            page.goto(f"/models?q={quote(name)}")
            assert page.get_by_label("Search").input_value() == name
            with visit.watching.expecting(404):
                page.goto(f"/models/{quote(name, safe='')}")
            expect(page.get_by_role("heading", level=1)).to_have_text("There is nothing here")
        assert page.evaluate("'hacked' in window") is False


def test_a_link_fills_the_form_and_never_reaches_the_server(browsing: Browsing, house: House) -> None:
    with browsing.visit(house.origin, permissions=["clipboard-read", "clipboard-write"]) as visit:
        page = visit.page
        page.goto(TRY)
        page.get_by_label("Query").fill("geheim 秘密")
        page.get_by_label("Documents", exact=True).fill("\n".join(HOSTILE))
        page.get_by_label("Read long documents whole").uncheck()
        page.get_by_role("button", name="Copy a link").click()
        expect(page.get_by_role("button", name="Link copied")).to_be_visible()
        link = page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(f"{house.origin}{TRY}#try=")
    with browsing.visit(house.origin) as visit:
        page = visit.page
        page.goto(link)
        assert page.get_by_label("Query").input_value() == "geheim 秘密"
        assert page.get_by_label("Documents", exact=True).input_value() == "\n".join(HOSTILE)
        assert not page.get_by_label("Read long documents whole").is_checked()
        assert page.evaluate("'hacked' in window") is False
        page.get_by_role("link", name="Compare them").click()  # and no Referer has it
        page.goto(f"{TRY}#try=not-a-link-of-ours")
        assert page.get_by_label("Query").input_value() != ""
    reached = unquote("\n".join(house.heard.text))
    assert "try=" not in reached
    assert "geheim" not in reached
    assert link.partition("#try=")[2][:40] not in reached


def test_a_session_is_kept_from_scripts_and_from_other_sites(browsing: Browsing, house: House) -> None:
    with opened() as elsewhere, browsing.visit(house.origin) as visit:
        page = visit.page
        sign_in(page)
        (cookie,) = page.context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
        keys = len(house.accounts.keys)
        with visit.watching.expecting("asks another host", "form-action"):
            page.goto(f"{elsewhere.origin}/style")
            submit(page, f"{house.origin}/account/keys")
            page.wait_for_timeout(200)  # for the console to tell
        # What has no policy of its own may send a form anywhere, and is refused there.
        page.goto("about:blank")
        with visit.watching.expecting(403):
            submit(page, f"{house.origin}/account/keys")
            expect(page.get_by_role("heading", name="Not allowed")).to_be_visible()
        page.context.clear_cookies()  # the demo, too, is for visitors of this site
        page.goto("about:blank")
        with visit.watching.expecting(403):
            submit(page, f"{house.origin}{TRY}")
            expect(page.get_by_role("heading", name="Not allowed")).to_be_visible()
        assert len(house.accounts.keys) == keys
        assert house.shop.requests == []


def submit(page: Page, address: str) -> None:
    page.evaluate(
        """address => {
            const form = Object.assign(document.createElement("form"), {action: address, method: "post"});
            form.innerHTML = "<input name=query value=a><input name=documents value=a>";
            document.body.append(form);
            form.submit();
        }""",
        address,
    )
