from collections.abc import AsyncIterator

import httpx
import pytest

from serve_app.api.limits import Limits
from serve_app.api.routes import build_api
from tests.api.word_overlap import WordOverlap

LIMITS = Limits(max_body_bytes=50_000, max_documents=5, request_timeout_s=60.0)


@pytest.fixture
def service() -> WordOverlap:
    return WordOverlap()


@pytest.fixture
async def client(service: WordOverlap) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build_api(service, LIMITS))
    async with httpx.AsyncClient(transport=transport, base_url="http://rayrank") as client:
        yield client
