"""The pages as a person meets them, in a browser, with real rankings."""

import json
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from loadtest.server.running import Server
from serve_app.settings import EMBEDDED_MODEL
from tests.integration.models import wait_for
from tests.web.browser import Browsing, Visit

REVOKED_WITHIN_S = 5
WAKES_WITHIN_MS = 60_000
LARGEST_BYTES = 60_000
CLIPBOARD = ["clipboard-read", "clipboard-write"]
HTML = {"Accept": "text/html"}


@pytest.fixture
def visit(browsing: Browsing, server: Server) -> Iterator[Visit]:
    with browsing.visit(server.url, permissions=CLIPBOARD) as visit:
        visit.page.set_default_timeout(20_000)
        yield visit


def sign_in(page: Page, key: str) -> None:
    page.goto("/account")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Account")).to_be_visible()


def results(page: Page) -> Locator:
    return page.locator("#answer .results > li")


def rank(page: Page) -> Locator:
    page.get_by_role("button", name="Rank the documents").click()
    expect(results(page)).not_to_have_count(0, timeout=20_000)
    return results(page)


def copied(page: Page, what: str) -> str:
    """What the button beside a piece of code puts on the clipboard."""
    page.get_by_role("button", name=f"Copy {what}", exact=True).click()
    text: str = page.evaluate("navigator.clipboard.readText()")
    assert text
    return text


def pasted(line: str, key: str) -> tuple[int, Any]:
    """Run a curl line in a shell with a key in its place: the status, and the answer."""
    assert "rr_…" in line
    command = f"{line.replace('rr_…', key)} -s -w '\\n%{{http_code}}'"
    said = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, timeout=60).stdout
    answer, _, status = said.rpartition("\n")
    return int(status), json.loads(answer)


def figure(page: Page, name: str) -> str:
    """A figure of the account's balance."""
    return page.locator(".figures > div").filter(has_text=name).locator("dd").inner_text()


def within(seconds: float, holds: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.2)


def try_in_two_languages(page: Page, chinese: str) -> None:
    page.goto("/")
    page.get_by_label("Search").fill("MiniLM")
    page.get_by_label("Search").press("Enter")
    page.get_by_role("link", name=EMBEDDED_MODEL.split("/")[1], exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(EMBEDDED_MODEL)
    expect(rank(page).first).to_contain_text("the second charge is refunded")
    expect(page.locator("#answer")).to_contain_text("6 documents")
    expect(page.locator("#answer")).to_contain_text("free ($0.000006 with a key)")
    page.goto(f"/models/{chinese}")
    page.get_by_role("link", name="客服问答").click()
    page.wait_for_url("**?example=support-zh*")
    expect(page.get_by_label("Query")).to_have_value(re.compile("发票"))
    assert rank(page).count() >= 5


def open_an_account(page: Page) -> str:
    """Its first key."""
    page.get_by_role("link", name="Get your own key").click()
    page.get_by_label("Email").fill("a.person@example.org")
    page.get_by_role("button", name="Open an account").click()
    expect(page.get_by_text("a.person@example.org begins with $10,000.00 of credit.")).to_be_visible()
    return copied(page, "the key")


def make_a_capped_key(page: Page) -> str:
    page.get_by_role("link", name="Account", exact=True).click()
    page.get_by_label("Name").fill("search")
    page.get_by_label("Most that it may spend, $").fill("0.000003")
    page.get_by_label("in a", exact=True).select_option("month")
    page.get_by_role("button", name="Make the key").click()
    key = copied(page, "the key")
    page.get_by_role("link", name="To the account").click()
    expect(page.get_by_role("row", name="search")).to_contain_text("$0.000003 a month")
    return key


def see_the_charge(page: Page) -> None:
    page.reload()
    assert figure(page, "Balance") == "$9,999.999996"
    spending = page.get_by_role("region", name="Spending by model").get_by_role("row", name=EMBEDDED_MODEL)
    expect(spending.get_by_role("cell")).to_have_text(["2", "4", re.compile(r"\d+"), "$0.000004"])
    expect(page.get_by_role("region", name="Spending", exact=True).locator(".plot rect")).to_have_count(1)
    with page.expect_download() as download:
        page.get_by_role("link", name="30 days").click()
    (heading, *lines) = download.value.path().read_text().splitlines()
    assert "cost_usd" in heading
    assert len(lines) == 2  # a line a key
    assert all(EMBEDDED_MODEL in line and "0.000002" in line for line in lines)


def compare(page: Page, models: list[str]) -> None:
    page.get_by_role("link", name="Compare", exact=True).click()
    for box in page.get_by_role("group", name="Models").get_by_role("checkbox").all():
        box.set_checked(box.get_attribute("value") in models)
    page.get_by_role("button", name="Compare these").click()
    page.get_by_role("button", name="Run 3 models").click()
    sides = page.locator("#answer .sides section")
    expect(sides).to_have_count(3, timeout=20_000)
    shown = [side.locator("h4").inner_text().split("\n")[-1] for side in sides.all()]
    assert shown == [model.rpartition("/")[2] for model in models]
    assert [side.locator(".results > li").count() for side in sides.all()] == [6, 6, 6]
    expect(page.locator("#answer .plot")).to_be_visible()


def wait_for_the_demo(server: Server) -> None:
    """Until its requests of a minute, which another test may have spent, are there again."""
    body = {"model": EMBEDDED_MODEL, "query": "Paris", "documents": ["Paris"]}
    with httpx.Client(base_url=server.url, headers={"X-Demo": "true"}, timeout=60) as client:
        while (answer := client.post("/v1/rerank", json=body)).status_code == 429:
            time.sleep(float(answer.headers["Retry-After"]))


def test_a_persons_day(visit: Visit, server: Server, model_ids: list[str]) -> None:
    page, tiny = visit.page, model_ids[0]
    wait_for_the_demo(server)
    try_in_two_languages(page, tiny)

    first = open_an_account(page)
    page.goto(f"/models/{EMBEDDED_MODEL}")
    page.get_by_role("tab", name="curl").click()
    line = copied(page, "the code for curl")
    status, answer = pasted(line, first)
    assert (status, answer["results"][0]["index"], answer["usage"]["cost_usd"]) == (200, 0, "0.000002")

    capped = make_a_capped_key(page)
    assert figure(page, "Balance") == "$9,999.999998"
    assert pasted(line, capped)[0] == 200
    assert pasted(line, capped)[0] == 402  # another 2 of 3 millionths
    see_the_charge(page)

    row = page.get_by_role("row", name="search")
    row.locator("summary").click()
    row.get_by_role("button", name="Revoke it").click()
    expect(row).to_have_count(0)
    within(REVOKED_WITHIN_S, lambda: pasted(line, capped)[0] == 401)
    assert pasted(line, first)[0] == 200

    models = [tiny, EMBEDDED_MODEL, "grower"]
    compare(page, models)
    page.get_by_role("link", name="Account", exact=True).click()
    charged = page.get_by_role("region", name="Spending by model").get_by_role("rowheader")
    assert set(charged.all_inner_texts()) == set(models)

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    assert page.context.cookies() == []
    page.goto("/account")
    expect(page.get_by_role("heading", name="Sign in with a key")).to_be_visible()


def test_a_model_that_sleeps_is_waited_for_in_sight(visit: Visit, server: Server, client: httpx.Client) -> None:
    wait_for(client, "sleeper", status="cold")
    page = visit.page
    sign_in(page, server.key)
    page.goto("/models/sleeper")
    expect(page.locator("[data-live]")).to_contain_text("asleep")
    page.get_by_role("button", name="Rank the documents").click()
    expect(page.locator("#answer")).to_contain_text("Waiting for sleeper")
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    expect(results(page)).to_have_count(6, timeout=WAKES_WITHIN_MS)


def test_a_session_that_is_none_is_told_and_dropped(visit: Visit, server: Server) -> None:
    page = visit.page
    page.context.add_cookies([{"name": "rayrank_session", "value": "rubbish", "url": server.url}])
    with visit.watching.expecting(401):
        page.goto("/account")
    expect(page.get_by_role("heading", level=1)).to_have_text("Please sign in")
    assert page.context.cookies() == []
    page.get_by_role("link", name="Sign in").first.click()
    expect(page.get_by_label("API key")).to_be_visible()


def test_the_operator_sees_how_the_service_does(visit: Visit, server: Server, client: httpx.Client) -> None:
    body = {"model": EMBEDDED_MODEL, "query": "capital of France", "documents": ["Paris", "Berlin"]}
    assert client.post("/v1/rerank", json=body).status_code == 200
    page = visit.page
    sign_in(page, server.key)
    page.get_by_role("link", name="Status").click()
    row = page.get_by_role("region", name="All models").get_by_role("row", name=EMBEDDED_MODEL)
    state, replicas, *_, requests, _, failed, p50, p95 = row.get_by_role("cell").all_inner_texts()
    assert (state, replicas, failed) == ("ready", "1", "0")
    assert int(requests.replace(",", "")) >= 1
    assert re.fullmatch(r"[\d.]+ m?s", p50)
    assert re.fullmatch(r"[\d.]+ m?s", p95)
    expect(page.get_by_role("img", name="Latency of requests")).not_to_have_count(0)


def test_a_model_page_is_small(server: Server) -> None:
    took = []
    with httpx.Client(base_url=server.url, headers=HTML) as client:
        for _ in range(50):
            began = time.perf_counter()
            page = client.get(f"/models/{EMBEDDED_MODEL}")
            took.append(time.perf_counter() - began)
            assert page.status_code == 200
        files = [client.get(path) for path in set(re.findall(r'"(/static/[^"]+)"', page.text))]
    print(f"a model page: p50 {1000 * statistics.median(took):.1f} ms, {len(page.content):,} bytes")
    assert len(files) == 4
    assert sum(len(file.content) for file in [page, *files]) <= LARGEST_BYTES
