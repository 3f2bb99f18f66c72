from collections.abc import AsyncIterator

import httpx
import pytest

from serve_app.api.routes import build_api
from serve_app.settings import AccountsSettings, HttpSettings, Settings
from tests.api.in_memory_accounts import InMemoryAccounts
from tests.api.word_overlap import WordOverlap

SETTINGS = Settings(http=HttpSettings(max_body_bytes=50_000, max_documents=5))
IDENTITY = "X-Forwarded-Email"
WITH_ACCOUNTS = SETTINGS.model_copy(update={"accounts": AccountsSettings(identity_header=IDENTITY)})


@pytest.fixture
def service() -> WordOverlap:
    return WordOverlap()


@pytest.fixture
async def client(service: WordOverlap) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build_api(service, SETTINGS))
    async with httpx.AsyncClient(transport=transport, base_url="http://rayrank") as client:
        yield client


@pytest.fixture
def accounts(service: WordOverlap) -> InMemoryAccounts:
    """Accounts that tell their events to the service's list."""
    return InMemoryAccounts(events=service.events)


@pytest.fixture
async def shop(service: WordOverlap, accounts: InMemoryAccounts) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service with accounts."""
    transport = httpx.ASGITransport(build_api(service, WITH_ACCOUNTS, accounts))
    async with httpx.AsyncClient(transport=transport, base_url="http://rayrank") as client:
        yield client
