"""Somebody who looks at the pages, without a browser."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI

from serve_app.api.routes import build_api
from serve_app.domain.accounts import Accounts
from serve_app.settings import AccountsSettings, HttpSettings, Settings
from serve_app.web.site import add_site
from tests.api.in_memory_accounts import KEY, InMemoryAccounts
from tests.api.word_overlap import MODEL, WordOverlap

ORIGIN = "http://rayrank"
TRY = f"/models/{MODEL}"
LINES = {"Accept": "application/x-ndjson"}
ENTRY = {"query": "red fish", "documents": "blue\nred fish"}


@dataclass
class Visitor:
    """client: what sends. token: of the session, for forms."""

    client: httpx.AsyncClient
    app: FastAPI
    service: WordOverlap
    token: str = ""

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers=headers)

    async def send(self, path: str, fields: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Any:
        """Send a form."""
        return await self.client.post(path, data={"csrf": self.token, **fields}, headers=headers)

    async def sign_in(self, key: str = KEY) -> str:
        """Sign in; the session."""
        answer = await self.send("/account/sign-in", {"key": key})
        assert answer.status_code == 303, answer.text
        found = re.search(r'name="csrf" value="([^"]+)"', (await self.get(TRY)).text)
        assert found
        self.token = found[1]
        return self.client.cookies["rayrank_session"]


@asynccontextmanager
async def visiting(
    accounts: Accounts | None = None, *, http: HttpSettings | None = None, **settings: Any
) -> AsyncIterator[Visitor]:
    """accounts: None for some in memory. settings: of accounts."""
    service = WordOverlap()
    given = Settings(http=http or HttpSettings(), accounts=AccountsSettings.model_validate(settings))
    kept = accounts or InMemoryAccounts(events=service.events)
    app = build_api(service, given, kept)
    add_site(app, service, given, kept)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Accept": "text/html"}) as client:
        yield Visitor(client, app, service)
