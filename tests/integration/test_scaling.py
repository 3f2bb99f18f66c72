"""Several models in one application: one that sleeps, one that follows the load, one that cannot be loaded."""

import threading
import time

import httpx
import pytest

from loadtest.server.running import Server
from tests.integration.models import model, wait_for
from tests.tiny_models import TinyModel

ASK = {"query": "capital of France", "documents": ["Paris is the capital of France.", "Bananas are yellow."]}
SLEEPER, GROWER = "sleeper", "grower"
TOLD_AT_MOST = 20  # once where the start takes what the one before took; each time at least a second after that


def test_a_model_that_cannot_be_loaded_says_why_and_leaves_the_others_serving(
    client: httpx.Client, served_model: TinyModel, server: Server
) -> None:
    wait_for(client, "broken", status="failed")
    assert "model.safetensors: not a valid safetensors file" in model(client, "broken")["failure"]
    refused = client.post("/v1/rerank", json=ASK | {"model": "broken"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
    assert "model.safetensors" in refused.json()["error"]["message"]
    assert client.post("/v1/rerank", json=ASK | {"model": served_model.directory.name}).status_code == 200
    assert "not all models are served" in "".join(server.output)


def test_a_sleeping_model_is_woken_waited_for_and_goes_to_sleep_again(client: httpx.Client) -> None:
    ask = ASK | {"model": SLEEPER}
    wait_for(client, SLEEPER, status="cold", replicas=0)
    cold = client.post("/v1/rerank", json=ask)
    error = cold.json()["error"]
    assert (cold.status_code, error["code"]) == (503, "model_cold")
    assert int(cold.headers["Retry-After"]) == error["retry_after_s"] >= 1
    waited = client.post("/v1/rerank", json=ask, headers={"Prefer": "wait=60"})
    assert waited.status_code == 200
    assert len(waited.json()["results"]) == 2
    wait_for(client, SLEEPER, status="cold", replicas=0)
    # What the first start took is what a client is told to wait. A start takes as long as the machine is busy: who
    # comes too early is told again, and whoever does as they are told is served.
    statuses = []
    while (answer := client.post("/v1/rerank", json=ask)).status_code == 503 and len(statuses) < TOLD_AT_MOST:
        assert answer.json()["error"]["code"] == "model_cold"
        statuses.append(answer.status_code)
        time.sleep(int(answer.headers["Retry-After"]))
    assert (answer.status_code, statuses[:1]) == (200, [503])


def test_replicas_follow_the_load_and_no_request_fails(client: httpx.Client) -> None:
    done = threading.Event()
    statuses: list[int] = []

    def ask() -> None:
        documents = [f"document {i} " * 60 for i in range(300)]
        with httpx.Client(base_url=client.base_url, headers=client.headers, timeout=90) as own:
            while not done.is_set():
                statuses.append(
                    own.post("/v1/rerank", json=ASK | {"model": GROWER, "documents": documents}).status_code
                )

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    try:
        wait_for(client, GROWER, replicas=2)
    finally:
        done.set()
        for asker in askers:
            asker.join()
    assert set(statuses) == {200}


@pytest.mark.parametrize("tier", ["standard", "batch"])
def test_both_tiers_are_served(client: httpx.Client, served_model: TinyModel, tier: str) -> None:
    ask = ASK | {"model": served_model.directory.name}
    assert client.post("/v1/rerank", json=ask, headers={"X-Tier": tier}).status_code == 200
