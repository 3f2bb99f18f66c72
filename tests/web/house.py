"""A server of the pages without a model, and what a test does on them again and again."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from playwright.sync_api import Locator, Page, expect
from starlette.types import ASGIApp, Receive, Scope, Send

from serve_app.api.routes import build_api
from serve_app.catalog.catalog import load_catalog
from serve_app.domain.account import UsageBucket
from serve_app.domain.model import ModelInfo
from serve_app.settings import AccountsSettings, DemoSettings, HttpSettings, Settings
from serve_app.web.site import add_site
from tests.api.in_memory_accounts import KEY, InMemoryAccounts
from tests.api.uvicorn_server import serving_in_a_thread
from tests.api.word_overlap import MODEL, WordOverlap
from tests.domain.test_measured import CHECK, RUN

TRY = f"/models/{MODEL}"
OTHER, BROKEN = "org/overlap-of-words", "org/broken"
NOT_SERVED = "BAAI/bge-reranker-large"
DAY_S = 86_400
MOST_DOCUMENTS = 20


class Shop(WordOverlap):
    """Serves two models, and one that is broken. seconds: how long an answer takes."""

    def __init__(self) -> None:
        super().__init__()
        card = load_catalog().find("BAAI/bge-reranker-base")
        assert card is not None
        checks = (CHECK, replace(CHECK, precision="int8", top_1=0.9, changes={}))
        runs = (RUN, replace(RUN, dataset="T2Reranking", first_stage="", before={}))
        self.facts = replace(card, id=MODEL, aliases=("overlap",), measured=runs, precision_checks=checks)
        self.precision = "bfloat16"
        self.documents_per_s = 41.0
        self.seconds = 0.0

    async def work(self) -> None:
        await asyncio.sleep(self.seconds)
        await super().work()

    def models(self) -> list[ModelInfo]:
        (info,) = super().models()
        failed = replace(info.state, status="failed", failure="its weights break off", documents_per_s=None)
        return [
            info,
            replace(info, facts=replace(self.facts, id=OTHER, aliases=())),
            replace(info, facts=replace(self.facts, id=BROKEN, aliases=()), state=failed),
        ]

    def find_model(self, name: str) -> ModelInfo | None:
        names = {"overlap": MODEL}
        return next((info for info in self.models() if info.facts.id == names.get(name, name)), None)


class Heard:
    """An application, and what reached it: lines of requests and headers, and bodies."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.text: list[str] = []
        self.paths: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.paths.append(f"{scope['method']} {scope['path']}?{scope['query_string'].decode()}")
            self.text += [self.paths[-1], *(value.decode("latin-1") for _, value in scope["headers"])]
        await self._app(scope, self._heard(receive), send)

    def _heard(self, receive: Receive) -> Receive:
        async def heard() -> Any:
            message = await receive()
            self.text.append(message.get("body", b"").decode("latin-1"))
            return message

        return heard


@dataclass
class House:
    """A server and what is behind it."""

    origin: str = ""
    shop: Shop = field(default_factory=Shop)
    accounts: InMemoryAccounts = field(default_factory=InMemoryAccounts)
    heard: Heard = field(init=False)

    def asked(self, part: str) -> int:
        """How many requests were for a path that has a part."""
        return sum(part in path for path in self.heard.paths)


@contextmanager
def opened(*, with_accounts: bool = True) -> Iterator[House]:
    house = House()
    accounts = AccountsSettings(sign_up="open", demo=DemoSettings()) if with_accounts else None
    today = time.time() // DAY_S * DAY_S
    house.accounts.used = [
        UsageBucket(today - DAY_S * day, "key_ada", model, 3 * day, 100 * day, 7_000 * day, 800_000 * day)
        for day in range(12)
        for model in (MODEL, NOT_SERVED)
    ]
    settings = Settings(accounts=accounts, http=HttpSettings(max_documents=MOST_DOCUMENTS))
    kept = house.accounts if with_accounts else None
    app = build_api(house.shop, settings, kept)
    add_site(app, house.shop, settings, kept)
    house.heard = Heard(app)
    with serving_in_a_thread(house.heard) as port:
        house.origin = f"http://127.0.0.1:{port}"
        yield house


def sign_in(page: Page, key: str = KEY) -> None:
    page.context.clear_cookies()
    page.goto("/account")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Account")).to_be_visible()


def rank(page: Page, query: str, *documents: str) -> None:
    page.get_by_label("Query").fill(query)
    page.get_by_label("Documents", exact=True).fill("\n".join(documents))
    page.get_by_role("button", name="Rank the documents").click()


def results(page: Page) -> Locator:
    return page.locator("#answer .results > li")


def overflow(page: Page) -> int:
    found: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return found


def focused(page: Page, expression: str) -> Any:
    return page.evaluate(f"(element => ({expression}))(document.activeElement)")
