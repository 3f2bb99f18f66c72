from collections.abc import AsyncIterator

import httpx
import pytest

from serve_app.api.routes import build_api
from serve_app.settings import HttpSettings, Settings
from tests.api.word_overlap import WordOverlap

SETTINGS = Settings(http=HttpSettings(max_body_bytes=50_000, max_documents=5))


@pytest.fixture
def service() -> WordOverlap:
    return WordOverlap()


@pytest.fixture
async def client(service: WordOverlap) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build_api(service, SETTINGS))
    async with httpx.AsyncClient(transport=transport, base_url="http://rayrank") as client:
        yield client
