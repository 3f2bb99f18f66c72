"""Hugging Face's client without credit: it names no model, so that only a server of an embedding model can show it.

All other clients are asked in tests/integration/test_refused_clients.py.
"""

import asyncio

import pytest

from serve_app.api.routes import build_api
from serve_app.domain.errors import ServiceError
from tests.api.conftest import WITH_ACCOUNTS
from tests.api.in_memory_accounts import KEY, InMemoryAccounts
from tests.api.uvicorn_server import serving
from tests.api.word_overlap import WordOverlap
from tests.clients.calls import hugging_face


async def test_it_raises_its_own_error_with_the_message() -> None:
    from huggingface_hub.errors import HfHubHTTPError

    service = WordOverlap()
    async with serving(build_api(service, WITH_ACCOUNTS, InMemoryAccounts())) as port:
        url = f"http://127.0.0.1:{port}"
        assert await asyncio.to_thread(hugging_face, url, KEY) is not None
        service.error = ServiceError("insufficient_credit", "the balance is $0")
        with pytest.raises(HfHubHTTPError, match=r"402[^§]*the balance is \$0"):
            await asyncio.to_thread(hugging_face, url, KEY)
