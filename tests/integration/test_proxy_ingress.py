"""Serve's default way in: what it answers on its own comes in the API's envelope."""

import threading
import time

import httpx

from tests.integration.conftest import serve
from tests.tiny_models import TinyModel


def test_a_request_whose_gateway_dies_is_told_so(served_model: TinyModel) -> None:
    model = served_model.directory.name
    with serve(served_model.directory, "--ingress", "proxy") as server:
        url = f"{server.url}/v1/rerank"
        assert httpx.post(url, json={"model": model, "query": "capital", "documents": ["Paris"]}).status_code == 200
        answers: list[httpx.Response] = []
        slow = {"model": model, "query": "capital", "documents": [f"{i} word " * 100 for i in range(10_000)]}
        client = threading.Thread(target=lambda: answers.append(httpx.post(url, json=slow, timeout=60)))
        client.start()
        time.sleep(1)
        server.replicas("Gateway")[0].kill()
        client.join()
        assert (answers[0].status_code, answers[0].json()["error"]["code"]) == (503, "unavailable")
        # Serve starts another gateway; requests wait for it.
        again = httpx.post(url, json={"model": model, "query": "capital", "documents": ["Paris"]}, timeout=60)
        assert again.status_code == 200
